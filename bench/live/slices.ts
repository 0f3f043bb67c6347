/**
 * Latencies by slices of time: of all of them together, of those in which the machine was left alone, and the medians of
 * slices, of which a machine that stands still for a third of a second spoils one.
 */
import { mean, median, percentile } from "../harness/statistics.ts";
import type { Outcomes } from "../simulate/outcomes.ts";
import type { Slice } from "./arena.ts";
import type { Figures } from "./turn.ts";

/** Medians of slices; of all calls; of those of quiet slices. */
export type LatencyFigure = "meanMs" | "p98Ms" | "allMeanMs" | "allP98Ms" | "quietMeanMs" | "quietP98Ms";

/** A slice is quiet where the host of a virtual machine took no more than this part of its processors' time: 80 ms of two. */
export const mostStolen = 0.02;

/**
 * @param slices latencies of each, in milliseconds; those without any do not count. NaN where there is none.
 * @param stolen of each slice, the part of the processors' time that the host took.
 */
export function latencyFigures(
  slices: readonly ArrayLike<number>[],
  stolen: readonly number[],
): Figures<LatencyFigure> {
  const counted = slices.filter(({ length }) => length > 0);
  const all = together(counted);
  const quiet = together(slices.filter((_, i) => stolen[i]! <= mostStolen));
  return {
    meanMs: medianOf(counted.map(mean)),
    p98Ms: medianOf(counted.map((slice) => percentile(slice, 0.98))),
    ...{ allMeanMs: all.meanMs, allP98Ms: all.p98Ms },
    ...{ quietMeanMs: quiet.meanMs, quietP98Ms: quiet.p98Ms },
  };
}

/** Of slices, the part that was quiet. */
export function quietPartOf(stolen: readonly number[]): number {
  return stolen.filter((part) => part <= mostStolen).length / stolen.length;
}

function medianOf(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : median(values);
}

function together(slices: readonly ArrayLike<number>[]): { readonly meanMs: number; readonly p98Ms: number } {
  const all = slices.flatMap((slice) => Array.from(slice));
  return all.length === 0
    ? { meanMs: Number.NaN, p98Ms: Number.NaN }
    : { meanMs: mean(all), p98Ms: percentile(all, 0.98) };
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
