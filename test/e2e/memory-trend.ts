/**
 * How the memory of processes grows while a test repeats itself: samples, and the slope of a line through them. What a
 * process keeps for later is there after the first cycles; what it loses grows with each.
 */
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface MemorySample {
  readonly cycle: number;
  /** By what was measured, in bytes. Left out where this machine does not say. */
  readonly bytes: Readonly<Record<string, number | undefined>>;
}

/** What JavaScript in this process still reaches, buffers outside the heap included; undefined without a collector to call. */
export async function reachableBytes(): Promise<number | undefined> {
  if (collect === undefined) return undefined;
  for (let round = 0; round < 3; round++) {
    collect();
    // What is freed by finalizers is free one turn later.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const collect = findCollector();

function findCollector(): (() => void) | undefined {
  try {
    setFlagsFromString("--expose-gc");
    const found: unknown = runInNewContext("globalThis.gc");
    return typeof found === "function" ? () => found() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The slope of a line through the samples, in bytes a cycle: the median of those between each two of them (Theil and
 * Sen), as one sample that was taken while the system had pages back would bend a line of least squares.
 * @returns undefined where there are no two samples of it.
 */
export function bytesPerCycle(samples: readonly MemorySample[], name: string): number | undefined {
  const points = samples.flatMap(({ cycle, bytes }) =>
    bytes[name] === undefined ? [] : [{ cycle, bytes: bytes[name] }],
  );
  const slopes = points
    .flatMap((a, i) => points.slice(i + 1).map((b) => (b.bytes - a.bytes) / (b.cycle - a.cycle)))
    .sort((a, b) => a - b);
  return slopes[Math.floor(slopes.length / 2)];
}
