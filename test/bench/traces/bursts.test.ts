import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Arrivals } from "../../../bench/traces/arrivals.ts";
import { drawBursts, withBursts } from "../../../bench/traces/bursts.ts";
import { exponentialArrivals } from "../../../bench/traces/minute-arrivals.ts";
import { traceStatistics } from "../../../bench/traces/statistics.ts";
import { expectCount, expectInOrder, timesOf } from "./chance.ts";

/** Two functions, 10,000 calls a minute each, and one that is never called; three minutes. */
const base = exponentialArrivals(
  [
    [10_000, 10_000, 10_000],
    [10_000, 10_000, 10_000],
    [0, 0, 0],
  ],
  { seed: 1 },
);
const within = (times: Float64Array, fromMs: number, toMs: number) =>
  times.filter((at) => at >= fromMs && at < toMs).length;

describe("withBursts()", () => {
  it("multiplies a function's rate while a burst lasts, and adds nothing else", () => {
    const burst = { function: 1, fromMs: 60_000, lengthMs: 30_000, factor: 4 };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const bursty = withBursts(base, [burst], seed);
        expectInOrder(bursty);
        expect(timesOf(bursty, 0)).toEqual(timesOf(base, 0));
        const times = timesOf(bursty, 1);
        const before = timesOf(base, 1);
        expect(within(times, 0, 60_000)).toBe(within(before, 0, 60_000));
        expect(within(times, 90_000, 180_000)).toBe(within(before, 90_000, 180_000));
        const added = within(times, 60_000, 90_000) - within(before, 60_000, 90_000);
        expectCount(added, 3 * before.length * (30_000 / 180_000));
        expect(new Set(times).isSupersetOf(new Set(before))).toBe(true);
      }),
      { numRuns: 5 },
    );
  });

  it("adds bursts that overlap, cuts one at the end of the trace, and has none of a function without calls", () => {
    const burst = { function: 0, fromMs: 150_000, lengthMs: 60_000, factor: 2 };
    const once = withBursts(base, [burst], 1).timesMs.length - base.timesMs.length;
    const twice = withBursts(base, [burst, burst], 1).timesMs.length - base.timesMs.length;
    expectCount(once, timesOf(base, 0).length / 6);
    expectCount(twice, timesOf(base, 0).length / 3);
    expect(withBursts(base, [{ ...burst, function: 2 }], 1)).toEqual(base);
  });

  it("changes nothing where a burst is no faster than the mean, and where there is none", () => {
    const burst = { function: 0, fromMs: 0, lengthMs: 60_000, factor: 1 };
    expect(withBursts(base, [burst], 1)).toEqual(base);
    expect(withBursts(base, [], 1)).toEqual(base);
  });

  it("lets calls of bursts take as long as one of the function's own", () => {
    const known: Arrivals = {
      ...base,
      tookMs: Float64Array.from(base.functionOf, (index) => index * 100 + 7),
    };
    const burst = { function: 1, fromMs: 0, lengthMs: 60_000, factor: 2 };
    const { tookMs, functionOf, timesMs } = withBursts(known, [burst], 1);
    expect(timesMs.length).toBeGreaterThan(base.timesMs.length);
    expect(tookMs!.every((ms, i) => ms === functionOf[i]! * 100 + 7)).toBe(true);
  });

  it("refuses a burst that would take calls away, and one of a function that there is not", () => {
    const burst = { function: 2, fromMs: 0, lengthMs: 1, factor: 1 };
    expect(() => withBursts(base, [burst], 1)).not.toThrow();
    expect(() => withBursts(base, [{ ...burst, factor: 0.5 }], 1)).toThrow(RangeError);
    expect(() => withBursts(base, [{ ...burst, function: 3 }], 1)).toThrow("one of 3 functions");
  });
});

describe("drawBursts()", () => {
  it("draws as many as asked for, within the trace, in the order of time, the same for a seed", () => {
    const options = { seed: 1, bursts: 9_000, lengthMs: 500, factor: 3 };
    const bursts = drawBursts(base, options);
    expect(drawBursts(base, options)).toEqual(bursts);
    expect(drawBursts(base, { ...options, seed: 2 })).not.toEqual(bursts);
    expect(bursts.every(({ fromMs }, i) => fromMs >= (bursts[i - 1]?.fromMs ?? 0) && fromMs < 180_000)).toBe(
      true,
    );
    for (let index = 0; index < 3; index++)
      expectCount(bursts.filter((one) => one.function === index).length, 3_000);
    const lengths = bursts.reduce((sum, { lengthMs }) => sum + lengthMs, 0);
    expectCount(lengths / 500, 9_000);
  });
});

it("a trace with bursts is burstier than without", () => {
  const plain = exponentialArrivals([Array.from({ length: 30 }, () => 60)], { seed: 1, functions: 20 });
  const bursts = drawBursts(plain, { seed: 1, bursts: 200, lengthMs: 10_000, factor: 20 });
  const before = traceStatistics(plain);
  const after = traceStatistics(withBursts(plain, bursts, 1));
  expect(before.burstyShare).toBe(0);
  expect(after.medianGapCv).toBeGreaterThan(before.medianGapCv + 0.2);
  expect(after.dispersion).toBeGreaterThan(before.dispersion + 0.5);
});
