/** What a trace is like: its size, how uneven its functions are, how bursty its calls. Figures, and a table of them. */

import { mean, median } from "../harness/statistics.ts";
import { formatTable } from "../harness/table.ts";
import { type Arrivals, callsByFunction } from "./arrivals.ts";

export interface TraceStatistics {
  readonly calls: number;
  readonly functions: number;
  /** Those that are called at all. */
  readonly functionsCalled: number;
  readonly durationMs: number;
  readonly callsPerSecond: number;
  /** The part of all calls that the most popular hundredth of the functions has; at least one function. */
  readonly top1Share: number;
  readonly top10Share: number;
  /**
   * Coefficient of variation (standard deviation over mean) of the gaps between a function's calls: near 0 for timers, 1
   * for calls at random, more in bursts. Median of the functions with enough calls; NaN without any.
   */
  readonly medianGapCv: number;
  /** Of those functions, the parts whose CV is below 0.1, and above 1.5. */
  readonly periodicShare: number;
  readonly burstyShare: number;
  /** The same of the gaps between all calls, whatever function they are for. */
  readonly gapCv: number;
  /** Variance over mean of the numbers of calls in a second: 1 for calls at random. Seconds that are not whole are left out. */
  readonly dispersion: number;
}

/** With fewer gaps a CV says more of chance than of the function. */
const enoughGaps = 10;
const periodicBelow = 0.1;
const burstyAbove = 1.5;

export function traceStatistics(arrivals: Arrivals): TraceStatistics {
  const { timesMs, functions, durationMs } = arrivals;
  const counts = callsByFunction(arrivals).sort().reverse();
  const cvs = functionGapCvs(arrivals).filter((cv) => !Number.isNaN(cv));
  const shareOf = (values: Float64Array) => (cvs.length === 0 ? Number.NaN : values.length / cvs.length);
  return {
    calls: timesMs.length,
    functions,
    functionsCalled: counts.filter((count) => count > 0).length,
    durationMs,
    callsPerSecond: timesMs.length / (durationMs / 1000),
    top1Share: topShare(counts, 0.01),
    top10Share: topShare(counts, 0.1),
    medianGapCv: cvs.length === 0 ? Number.NaN : median(cvs),
    periodicShare: shareOf(cvs.filter((cv) => cv < periodicBelow)),
    burstyShare: shareOf(cvs.filter((cv) => cv > burstyAbove)),
    gapCv: gapCvs(timesMs, new Uint32Array(timesMs.length), 1)[0]!,
    dispersion: indexOfDispersion(timesMs, durationMs, 1000),
  };
}

/** Of the gaps between each function's calls; NaN for those with fewer than ten gaps. */
export function functionGapCvs({ timesMs, functionOf, functions }: Arrivals): Float64Array {
  return gapCvs(timesMs, functionOf, functions);
}

/** Variance over mean of the calls in windows of that length; NaN without a whole window, or without a call in one. */
export function indexOfDispersion(timesMs: Float64Array, durationMs: number, windowMs: number): number {
  const counts = new Float64Array(Math.floor(durationMs / windowMs));
  for (const atMs of timesMs) {
    const window = Math.floor(atMs / windowMs);
    if (window < counts.length) counts[window]!++;
  }
  const expected = mean(counts);
  return mean(counts.map((count) => (count - expected) ** 2)) / expected;
}

/** A line a trace, under the names that they are given. */
export function formatTraceTable(traces: Readonly<Record<string, TraceStatistics>>): string {
  const columns = ["", "calls", "functions", "called", "minutes", "calls/s", "top 1 %", "top 10 %"];
  return formatTable(
    [...columns, "CV of gaps", "periodic", "bursty", "CV, all", "dispersion"],
    Object.entries(traces).map(([name, one]) => [
      name,
      one.calls,
      one.functions,
      one.functionsCalled,
      one.durationMs / 60_000,
      one.callsPerSecond,
      one.top1Share,
      one.top10Share,
      one.medianGapCv,
      one.periodicShare,
      one.burstyShare,
      one.gapCv,
      one.dispersion,
    ]),
  );
}

/** One pass over all calls (Welford's recurrence), so that millions take no memory of their own. */
function gapCvs(timesMs: Float64Array, keys: Uint32Array, keyCount: number): Float64Array {
  const gaps = new Float64Array(keyCount).fill(-1);
  const last = new Float64Array(keyCount);
  const mean = new Float64Array(keyCount);
  const squares = new Float64Array(keyCount);
  for (let i = 0; i < timesMs.length; i++) {
    const key = keys[i]!;
    const count = ++gaps[key]!;
    const gap = timesMs[i]! - last[key]!;
    last[key] = timesMs[i]!;
    if (count === 0) continue;
    const off = gap - mean[key]!;
    mean[key]! += off / count;
    squares[key]! += off * (gap - mean[key]!);
  }
  return gaps.map((count, key) =>
    count < enoughGaps ? Number.NaN : Math.sqrt(squares[key]! / count) / mean[key]!,
  );
}

/** @param counts calls by function, descending. */
function topShare(counts: Uint32Array, part: number): number {
  const sum = (values: Uint32Array) => values.reduce((total, count) => total + count, 0);
  return sum(counts.subarray(0, Math.ceil(counts.length * part))) / sum(counts);
}
