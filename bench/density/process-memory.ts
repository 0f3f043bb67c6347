/** Host memory of a process, as Linux counts it. */
import { readFile } from "node:fs/promises";

export interface ProcessMemory {
  /** All pages that it has in memory (RSS). */
  readonly residentBytes: number;
  /** Those that no other process shares: what one process more costs. */
  readonly ownBytes: number;
}

/** Undefined where the system does not say: elsewhere than on Linux. */
export async function processMemory(pid: number): Promise<ProcessMemory | undefined> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return {
    residentBytes: bytes("Rss"),
    ownBytes: bytes("Private_Clean") + bytes("Private_Dirty") + bytes("Private_Hugetlb"),
  };
}
