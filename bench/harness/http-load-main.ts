/** The load generator as a process: a LoadPlan as JSON, as its argument or on stdin; a LoadResult as JSON on stdout. */
import process from "node:process";
import { text } from "node:stream/consumers";
import { generateLoad, type LoadPlan } from "./http-load.ts";

try {
  // Written by a benchmark of ours: what is wrong in it shows in the first request.
  const plan = JSON.parse(process.argv[2] ?? (await text(process.stdin))) as LoadPlan;
  const result = await generateLoad(plan);
  process.stdout.write(JSON.stringify(result), () => process.exit(0));
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error), () => process.exit(1));
}
