import { describe, expect, it } from "vitest";
import type { Arrivals } from "../../../bench/traces/arrivals.ts";
import {
  formatTraceTable,
  functionGapCvs,
  indexOfDispersion,
  traceStatistics,
} from "../../../bench/traces/statistics.ts";

function trace(
  calls: readonly (readonly [number, number])[],
  functions: number,
  durationMs: number,
): Arrivals {
  return {
    timesMs: Float64Array.from(calls, ([at]) => at),
    functionOf: Uint32Array.from(calls, ([, index]) => index),
    ...{ functions, durationMs },
  };
}

describe("traceStatistics()", () => {
  it("counts calls, and what the most popular functions have of them", () => {
    // Function 3 has 90 calls, ten others one each, nine none.
    const calls = Array.from({ length: 100 }, (_, i) => [i * 100, i % 10 === 0 ? 4 + i / 10 : 3] as const);
    const statistics = traceStatistics(trace(calls, 20, 20_000));
    expect(statistics).toMatchObject({ calls: 100, functions: 20, functionsCalled: 11, callsPerSecond: 5 });
    expect(statistics.top1Share).toBeCloseTo(0.9);
    expect(statistics.top10Share).toBeCloseTo(0.91);
    expect(statistics.gapCv).toBeCloseTo(0);
  });

  it("says which parts of the functions are periodic and bursty", () => {
    const periodic = Array.from({ length: 20 }, (_, i) => [i * 1000, 0] as const);
    // Eight calls a millisecond apart, then silence.
    const bursty = Array.from({ length: 40 }, (_, i) => [(i >> 3) * 8000 + (i & 7) + 0.5, 1] as const);
    const calls = [...periodic, ...bursty].sort(([a], [b]) => a - b);
    const statistics = traceStatistics(trace(calls, 3, 40_000));
    expect(statistics.periodicShare).toBe(0.5);
    expect(statistics.burstyShare).toBe(0.5);
  });

  it("of a trace with too few calls, says that it does not know", () => {
    const { gapCv, medianGapCv, burstyShare } = traceStatistics(trace([[1, 0]], 1, 1000));
    expect([gapCv, medianGapCv, burstyShare]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});

it("functionGapCvs() is the standard deviation of the gaps over their mean", () => {
  // Gaps 3 and 1 in turn: mean 2, standard deviation 1.
  const calls = Array.from({ length: 21 }, (_, i) => [2 * i + (i % 2), 1] as const);
  const [never, often] = functionGapCvs(trace(calls, 2, 100));
  expect(never).toBeNaN();
  expect(often).toBeCloseTo(0.5, 9);
});

it("indexOfDispersion() is the variance of the counts over their mean; a window that is not whole does not count", () => {
  expect(indexOfDispersion(Float64Array.of(1, 11, 21, 31), 40, 10)).toBe(0);
  // Counts 4, 0, 0, 0: mean 1, variance 3.
  expect(indexOfDispersion(Float64Array.of(1, 2, 3, 4), 40, 10)).toBe(3);
  expect(indexOfDispersion(Float64Array.of(1, 2, 3, 4, 41, 42), 45, 10)).toBe(3);
  expect(indexOfDispersion(Float64Array.of(1), 5, 10)).toBeNaN();
});

it("formatTraceTable() has a line a trace", () => {
  const statistics = traceStatistics(trace([[1, 0]], 4, 120_000));
  const lines = formatTraceTable({ small: statistics, again: statistics }).split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[0]).toContain("top 10 %");
  expect(lines[2]!.split(/ +/).slice(0, 5)).toEqual(["small", "1", "4", "1", "2"]);
});
