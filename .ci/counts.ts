/**
 * `node .ci/counts.ts <report> <exit status>`: `passed failed skipped` of a test run, and on stderr what failed.
 * A run that ended badly without a failed test (a crash, the time limit) counts one failure.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { ReportLine } from "./reporter.ts";

const [path = "", status = "1"] = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const { state, name, errors } of readReport(path)) {
  counts[state]++;
  if (state === "failed") console.error(`FAILED ${name}\n${errors.join("\n").slice(0, 1_500)}\n`);
}
if (counts.failed === 0 && status !== "0") {
  counts.failed = 1;
  console.error(
    status === "124" ? "FAILED: the time limit is over\n" : `FAILED with exit status ${status}\n`,
  );
}
console.log(`${counts.passed} ${counts.failed} ${counts.skipped}`);

function readReport(file: string): ReportLine[] {
  try {
    const lines = readFileSync(file, "utf8").split("\n");
    // The last line may be cut off.
    return lines.slice(0, -1).map((line) => JSON.parse(line));
  } catch (error) {
    console.error(`FAILED: no report of the tests: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}
