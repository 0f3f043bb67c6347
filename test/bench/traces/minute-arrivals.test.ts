import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { callsByFunction } from "../../../bench/traces/arrivals.ts";
import {
  exponentialArrivals,
  rateFactorFor,
  type Spread,
  speedUpOf,
  spreadArrivals,
  workingSetArrivals,
} from "../../../bench/traces/minute-arrivals.ts";
import { minuteMs, minuteTraceOf } from "../../../bench/traces/minute-trace.ts";
import { expectCount, expectInOrder, timesOf } from "./chance.ts";
import { anyMinuteTrace } from "./minute-traces.ts";

const trace = [
  [30, 0, 10],
  [0, 20, 5.5],
];

describe("exponentialArrivals()", () => {
  it("has each minute's rate, times the factor, and nothing where the trace has nothing", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const arrivals = exponentialArrivals(trace, { seed, rateFactor: 100 });
        expectInOrder(arrivals);
        expect(arrivals.durationMs).toBe(3 * minuteMs);
        for (const [index, row] of minuteTraceOf(arrivals).entries()) {
          for (const [minute, calls] of row.entries()) {
            const mean = trace[index]![minute]! * 100;
            if (mean === 0) expect(calls).toBe(0);
            else expectCount(calls, mean);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("gives the same calls for a seed, and others for another one", () => {
    expect(exponentialArrivals(trace, { seed: 1 })).toEqual(exponentialArrivals(trace, { seed: 1 }));
    expect(exponentialArrivals(trace, { seed: 1 })).not.toEqual(exponentialArrivals(trace, { seed: 2 }));
  });

  it("repeats rows for further functions, with calls of their own; the first ones stay as they are", () => {
    const few = exponentialArrivals(trace, { seed: 1, rateFactor: 100 });
    const many = exponentialArrivals(trace, { seed: 1, rateFactor: 100, functions: 5 });
    expect(many.functions).toBe(5);
    expect(timesOf(many, 1)).toEqual(timesOf(few, 1));
    expect(timesOf(many, 2)).not.toEqual(timesOf(few, 0));
    expectCount(timesOf(many, 4).length, 4_000);
    expect(timesOf(many, 3).every((at) => at >= minuteMs)).toBe(true);
  });

  it("plays the whole trace in the time that there is, at the rate asked for", () => {
    const durationMs = 30_000;
    const rateFactor = rateFactorFor(trace, 1_000, durationMs);
    const arrivals = exponentialArrivals(trace, { seed: 1, rateFactor, minuteMs: 10_000 });
    expectInOrder(arrivals);
    expect(arrivals.durationMs).toBe(durationMs);
    expectCount(arrivals.timesMs.length, 30_000);
    expectCount(timesOf(arrivals, 0).length, (30_000 * 40) / 65.5);
    expect(timesOf(arrivals, 1).every((at) => at >= 10_000)).toBe(true);
  });
});

it("speedUpOf() compares a rate with the trace's own, a third of a call a second here", () => {
  expect(speedUpOf([[30, 0, 30]], 100)).toBeCloseTo(300);
});

describe("spreadArrivals()", () => {
  it.each<Spread>(["even", "random"])("has exactly the calls of each minute, %s", (spread) => {
    fc.assert(
      fc.property(anyMinuteTrace, fc.integer(), (rows, seed) => {
        const arrivals = spreadArrivals(rows, { seed, spread });
        expectInOrder(arrivals);
        expect(minuteTraceOf(arrivals)).toEqual(rows);
        expect(spreadArrivals(rows, { seed, spread })).toEqual(arrivals);
      }),
    );
  });

  it("gives a minute's calls of a function equal distances where it is to be even, and not else", () => {
    const gaps = (spread: Spread) => {
      const { timesMs } = spreadArrivals([[60]], { seed: 1, spread });
      return [...timesMs.subarray(1)].map((at, i) => at - timesMs[i]!);
    };
    expect(gaps("even").every((gap) => Math.abs(gap - 1_000) < 1e-6)).toBe(true);
    expect(gaps("random").every((gap) => Math.abs(gap - 1_000) < 100)).toBe(false);
  });

  it("lets functions with as many calls begin at different times", () => {
    const { timesMs } = spreadArrivals([[1], [1], [1]], { seed: 1, spread: "even" });
    expect(new Set(timesMs).size).toBe(3);
  });

  it("refuses a part of a call", () => {
    expect(() => spreadArrivals(trace, { seed: 1, spread: "even" })).toThrow("not whole");
  });
});

describe("workingSetArrivals()", () => {
  const rows = Array.from({ length: 50 }, (_, i) => Array.from({ length: 10 }, (_, m) => (i * 7 + m) % 40));
  const options = { functions: 15, seed: 1, spread: "random" as const };

  it("has 325 calls in each of six minutes, of the functions with the most", () => {
    const arrivals = workingSetArrivals(rows, options);
    expectInOrder(arrivals);
    expect(arrivals.functions).toBe(15);
    expect(arrivals.durationMs).toBe(6 * minuteMs);
    const minutes = minuteTraceOf(arrivals);
    for (let minute = 0; minute < 6; minute++)
      expect(minutes.reduce((sum, row) => sum + row[minute]!, 0)).toBe(325);
    const calls = [...callsByFunction(arrivals)];
    expect(calls[0]).toBeGreaterThanOrEqual(calls[14]!);
    expect(calls[14]).toBeGreaterThan(0);
  });

  it("takes another length and another load where they are named", () => {
    const arrivals = workingSetArrivals(rows, { ...options, minutes: 2, callsAMinute: 10 });
    expect(arrivals.timesMs.length).toBe(20);
    expect(arrivals.durationMs).toBe(2 * minuteMs);
  });
});
