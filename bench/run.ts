/**
 * `npm run bench -- <name> [arguments]` runs bench/<name>.ts; without a name it lists them.
 * Such a file exports `run(args)`, prints its table and writes its result.
 */
import { readdir } from "node:fs/promises";
import process from "node:process";

interface BenchModule {
  run(args: readonly string[]): Promise<void>;
}

const [name, ...args] = process.argv.slice(2);
const names = await listNames();
if (name === undefined || !names.includes(name)) {
  if (name !== undefined) console.error(`There is no benchmark '${name}'.\n`);
  console.error(
    `Usage: npm run bench -- <name> [arguments]\n\n${names.map((known) => `  ${known}`).join("\n")}`,
  );
  process.exit(name === undefined ? 0 : 2);
}

const module: unknown = await import(new URL(`${name}.ts`, import.meta.url).href);
if (!isBenchModule(module)) throw new TypeError(`bench/${name}.ts does not export a function 'run'`);
await module.run(args);
// Dawn may keep the process alive, or hang while it tears down.
process.exit(0);

async function listNames(): Promise<readonly string[]> {
  const files = await readdir(new URL(".", import.meta.url));
  return files.filter((file) => file.endsWith(".ts") && file !== "run.ts").map((file) => file.slice(0, -3));
}

function isBenchModule(module: unknown): module is BenchModule {
  return typeof module === "object" && module !== null && "run" in module && typeof module.run === "function";
}
