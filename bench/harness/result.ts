/**
 * What a benchmark leaves behind: `bench/out/<name>.json`, which names the machine, the runtime and the
 * adapter. A figure without them is not quoted anywhere.
 */
import { mkdir, writeFile } from "node:fs/promises";
import os from "node:os";
import process from "node:process";
import type { DeviceDescription } from "../../runtime/device/api.ts";

export interface Machine {
  readonly cpu: string;
  /** Logical ones that this process may use. */
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  /** `node 26.10.0`, `deno 2.9.5`. */
  readonly runtime: string;
}

export interface BenchResult {
  readonly name: string;
  /** ISO 8601. */
  readonly when: string;
  readonly machine: Machine;
  /** Null where the benchmark uses no GPU. */
  readonly adapter: DeviceDescription["adapter"] | null;
  /** What is quoted, with its unit in the name: `p50Ms`, `ratioToNaive`. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** What the figures were made from: settings, rounds, single values. */
  readonly details?: unknown;
}

export const resultFolder = new URL("../out/", import.meta.url);

/** Writes the result and prints where it lies. */
export async function writeResult(
  name: string,
  adapter: DeviceDescription["adapter"] | null,
  figures: BenchResult["figures"],
  details?: unknown,
): Promise<BenchResult> {
  const when = new Date().toISOString();
  const result: BenchResult = {
    ...{ name, when, machine: describeMachine(), adapter, figures },
    ...(details === undefined ? {} : { details }),
  };
  await mkdir(resultFolder, { recursive: true });
  await writeFile(new URL(`${name}.json`, resultFolder), `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`\nbench/out/${name}.json`);
  return result;
}

export function describeMachine(): Machine {
  const { deno } = process.versions;
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round((os.totalmem() / 1024 ** 3) * 10) / 10,
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    runtime: deno === undefined ? `node ${process.versions.node}` : `deno ${deno}`,
  };
}
