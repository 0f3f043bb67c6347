/**
 * Bounds for what is drawn, so wide that a right generator leaves them less than once in 10^9 tests (Bernstein's
 * inequality for sums of exponentially bounded parts), and no wider than that needs.
 */
import { expect } from "vitest";
import type { Arrivals } from "../../../bench/traces/arrivals.ts";

/** @param dispersion variance of the count over its mean: 1 for calls at random, CV² for independent gaps. */
export function expectCount(count: number, mean: number, dispersion = 1): void {
  const most = 8 * Math.sqrt(mean * dispersion) + 30 * dispersion;
  expect(Math.abs(count - mean), `${count} where ${mean} are expected`).toBeLessThanOrEqual(most);
}

/** Times ascend, lie within the trace, and name functions that there are. */
export function expectInOrder({ timesMs, functionOf, functions, durationMs }: Arrivals): void {
  expect(functionOf.length).toBe(timesMs.length);
  expect(timesMs.every((at, i) => at >= (timesMs[i - 1] ?? 0) && at < durationMs)).toBe(true);
  expect(functionOf.every((index) => index < functions)).toBe(true);
}

/** Of calls of one function; ascending. */
export function timesOf({ timesMs, functionOf }: Arrivals, index: number): Float64Array {
  return timesMs.filter((_, i) => functionOf[i] === index);
}
