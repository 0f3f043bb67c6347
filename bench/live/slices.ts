/**
 * Latencies by slices of time. The median of slices is what counts: a machine that stands still for a third of a second
 * spoils one of them.
 */
import { mean, median, percentile } from "../harness/statistics.ts";
import type { Outcomes } from "../simulate/outcomes.ts";
import type { Slice } from "./arena.ts";
import type { Figures } from "./turn.ts";

export type LatencyFigure = "meanMs" | "p98Ms";

/** @param slices latencies of each, in milliseconds; those without any do not count. NaN where there is none. */
export function typicalLatencies(slices: readonly ArrayLike<number>[]): Figures<LatencyFigure> {
  const counted = slices.filter(({ length }) => length > 0);
  if (counted.length === 0) return { meanMs: Number.NaN, p98Ms: Number.NaN };
  return {
    meanMs: median(counted.map(mean)),
    p98Ms: median(counted.map((all) => percentile(all, 0.98))),
  };
}

/** Of requests that came within the same slices. */
export function simulatedSlices(
  outcomes: Outcomes,
  slices: readonly Slice<unknown>[],
): readonly ArrayLike<number>[] {
  return slices.map(({ fromMs }, i) =>
    outcomes.latencies(fromMs, slices[i + 1]?.fromMs ?? Number.POSITIVE_INFINITY),
  );
}
