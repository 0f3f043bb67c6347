/** What came of the calls of one run: who met its deadline, and the figures of all together. Pure. */
import { percentile } from "../harness/statistics.ts";

export interface Call {
  /** Position among the functions. */
  readonly function: number;
  /** When it was due, from the beginning of the run. */
  readonly atMs: number;
  /** From when it was due to its answer; undefined where it failed. */
  readonly latencyMs: number | undefined;
  /** Its function's weights were on the device when it came. */
  readonly wasResident: boolean;
}

export interface Score {
  readonly calls: number;
  readonly failed: number;
  readonly functionsCalled: number;
  readonly functionsMeetingDeadline: number;
  /** Answered ones, over the time from the first one that was due to the last answer. */
  readonly callsPerSecond: number;
  /** Of all answered calls; NaN where there is none. */
  readonly p50Ms: number;
  readonly p98Ms: number;
  readonly hitRate: number;
}

/** Of a function's calls, at least this part in time. */
const partInTime = 0.98;

/**
 * A function meets its deadline where 98 % of its calls do; failed ones are late. One with fewer than 50 calls must have
 * all in time.
 * @param deadlineMs by function.
 */
export function score(calls: readonly Call[], deadlineMs: readonly number[]): Score {
  const perFunction = new Map<number, { calls: number; inTime: number }>();
  for (const { function: index, latencyMs } of calls) {
    const counts = perFunction.get(index) ?? { calls: 0, inTime: 0 };
    perFunction.set(index, counts);
    counts.calls++;
    if (latencyMs !== undefined && latencyMs <= deadlineMs[index]!) counts.inTime++;
  }
  const counts = [...perFunction.values()];
  const answered = calls.filter((call) => call.latencyMs !== undefined);
  const latencies = answered.map(({ latencyMs }) => latencyMs!);
  const ends = answered.map(({ atMs, latencyMs }) => atMs + latencyMs!);
  const begin = calls.reduce((least, { atMs }) => Math.min(least, atMs), Number.POSITIVE_INFINITY);
  const end = ends.reduce((most, at) => Math.max(most, at), 0);
  return {
    calls: calls.length,
    failed: calls.length - answered.length,
    functionsCalled: counts.length,
    functionsMeetingDeadline: counts.filter((one) => one.inTime >= partInTime * one.calls).length,
    callsPerSecond: answered.length === 0 ? 0 : (1000 * answered.length) / (end - begin),
    p50Ms: answered.length === 0 ? Number.NaN : percentile(latencies, 0.5),
    p98Ms: answered.length === 0 ? Number.NaN : percentile(latencies, 0.98),
    hitRate: calls.filter(({ wasResident }) => wasResident).length / calls.length,
  };
}
