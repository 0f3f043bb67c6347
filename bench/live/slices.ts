/**
 * Latencies by slices of time: of all of them together, and the medians of slices, of which a machine that stands still for
 * a third of a second spoils one.
 */
import { mean, median, percentile } from "../harness/statistics.ts";
import type { Outcomes } from "../simulate/outcomes.ts";
import type { Slice } from "./arena.ts";
import type { Figures } from "./turn.ts";

/** Medians of slices, and of all calls. */
export type LatencyFigure = "meanMs" | "p98Ms" | "allMeanMs" | "allP98Ms";

/** @param slices latencies of each, in milliseconds; those without any do not count. NaN where there is none. */
export function latencyFigures(slices: readonly ArrayLike<number>[]): Figures<LatencyFigure> {
  const counted = slices.filter(({ length }) => length > 0);
  const none = { meanMs: Number.NaN, p98Ms: Number.NaN, allMeanMs: Number.NaN, allP98Ms: Number.NaN };
  if (counted.length === 0) return none;
  const all = counted.flatMap((slice) => Array.from(slice));
  return {
    meanMs: median(counted.map(mean)),
    p98Ms: median(counted.map((slice) => percentile(slice, 0.98))),
    allMeanMs: mean(all),
    allP98Ms: percentile(all, 0.98),
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
