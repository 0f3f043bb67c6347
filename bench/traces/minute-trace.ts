/**
 * Traces that say how many calls each function had in each minute: reading one, and choosing, cutting and scaling it.
 * Pure; minute-arrivals.ts makes single calls of it.
 */
import { type Arrivals, callsByFunction } from "./arrivals.ts";

/** Calls in each minute: a row a function, at least one, all of one length. Fractions are rates. */
export type MinuteTrace = ReadonlyArray<readonly number[]>;

export const minuteMs = 60_000;

/** @param text a line of names, then a line a function: its name and its calls in each minute. @throws RangeError. */
export function parseMinuteTrace(text: string): MinuteTrace {
  const [header, ...lines] = text.trim().split("\n");
  const minutes = header!.split(",").length - 1;
  if (minutes < 1 || lines.length === 0)
    throw new RangeError("Cannot read the trace as it has no minutes or no functions");
  return lines.map((line) => {
    const [name, ...cells] = line.split(",");
    const counts = cells.map((cell) => (cell.trim() === "" ? Number.NaN : Number(cell)));
    if (counts.length !== minutes || counts.some((count) => !(count >= 0 && count < Infinity)))
      throw new RangeError(`Cannot read the trace as the line of '${name}' does not have ${minutes} numbers`);
    return counts;
  });
}

/** What single calls are as numbers a minute. A last minute that is not whole counts as one. */
export function minuteTraceOf(arrivals: Arrivals): MinuteTrace {
  const minutes = Math.max(1, Math.ceil(arrivals.durationMs / minuteMs));
  const rows = Array.from({ length: arrivals.functions }, () => new Array<number>(minutes).fill(0));
  for (const [i, index] of arrivals.functionOf.entries())
    rows[index]![Math.floor(arrivals.timesMs[i]! / minuteMs)]!++;
  return rows;
}

export function minutesOf(trace: MinuteTrace): number {
  return trace[0]!.length;
}

export function callsOf(trace: MinuteTrace): number {
  return trace.reduce((total, row) => total + sum(row), 0);
}

export function firstMinutes(trace: MinuteTrace, minutes: number): MinuteTrace {
  return trace.map((row) => row.slice(0, minutes));
}

/** The functions with the most calls, the first before the others; fewer where there are fewer. */
export function topFunctions(trace: MinuteTrace, count: number): MinuteTrace {
  const totals = Float64Array.from(trace, sum);
  return mostFirst(totals, count).map((index) => trace[index]!);
}

/** The same of single calls: the function with the most calls becomes function 0. Calls of the others are dropped. */
export function topArrivals(arrivals: Arrivals, count: number): Arrivals {
  const chosen = mostFirst(callsByFunction(arrivals), count);
  const rank = new Int32Array(arrivals.functions).fill(-1);
  for (const [position, index] of chosen.entries()) rank[index] = position;
  const isKept = (_: number, i: number) => rank[arrivals.functionOf[i]!]! >= 0;
  return {
    timesMs: arrivals.timesMs.filter(isKept),
    functionOf: arrivals.functionOf.filter(isKept).map((index) => rank[index]!),
    functions: chosen.length,
    durationMs: arrivals.durationMs,
    ...(arrivals.tookMs && { tookMs: arrivals.tookMs.filter(isKept) }),
  };
}

/**
 * Scales each minute to the same number of calls of all functions together, in whole calls: what is left after rounding
 * down goes to the largest remainders. A minute without calls stays without.
 * @throws RangeError where that number is not whole.
 */
export function normalisedTo(trace: MinuteTrace, callsAMinute: number): MinuteTrace {
  if (!Number.isSafeInteger(callsAMinute) || callsAMinute < 0)
    throw new RangeError(`Cannot normalise a trace as ${callsAMinute} is no whole number of calls a minute`);
  const rows = trace.map((row) => [...row]);
  for (let minute = 0; minute < minutesOf(trace); minute++) {
    const scaled = apportion(
      trace.map((row) => row[minute]!),
      callsAMinute,
    );
    for (const [index, row] of rows.entries()) row[minute] = scaled[index]!;
  }
  return rows;
}

/** So many whole calls, in the ratio of the weights. */
function apportion(weights: readonly number[], calls: number): readonly number[] {
  const total = sum(weights);
  if (total === 0) return weights;
  const exact = weights.map((weight) => (weight / total) * calls);
  const whole = exact.map(Math.floor);
  const remainders = Float64Array.from(exact, (value, i) => value - whole[i]!);
  for (const index of mostFirst(remainders, calls - sum(whole))) whole[index]!++;
  return whole;
}

/** Positions of the largest values, the largest first, the lower position where they are equal. */
function mostFirst(values: ArrayLike<number>, count: number): readonly number[] {
  return Array.from(values, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, count);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
