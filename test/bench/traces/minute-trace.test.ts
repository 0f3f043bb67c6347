import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { callsByFunction } from "../../../bench/traces/arrivals.ts";
import { spreadArrivals } from "../../../bench/traces/minute-arrivals.ts";
import {
  callsOf,
  firstMinutes,
  minutesOf,
  minuteTraceOf,
  normalisedTo,
  parseMinuteTrace,
  topArrivals,
  topFunctions,
} from "../../../bench/traces/minute-trace.ts";
import { anyMinuteTrace } from "./minute-traces.ts";

describe("parseMinuteTrace()", () => {
  it("gives a row a function", () => {
    const trace = parseMinuteTrace("function,minute0,minute1\nf0,30,10\nf1,0,20.5\n");
    expect(trace).toEqual([
      [30, 10],
      [0, 20.5],
    ]);
    expect(minutesOf(trace)).toBe(2);
    expect(callsOf(trace)).toBe(60.5);
  });

  it.each([
    ["a number too few", "function,minute0,minute1\nf0,30\n"],
    ["a word in place of a number", "function,minute0,minute1\nf0,30,many\n"],
    ["nothing in place of a number", "function,minute0,minute1\nf0,30,\n"],
    ["a number below 0", "function,minute0,minute1\nf0,30,-1\n"],
    ["a number without end", "function,minute0,minute1\nf0,30,Infinity\n"],
  ])("refuses a line with %s, and names its function", (_, text) => {
    expect(() => parseMinuteTrace(text)).toThrow("'f0'");
    expect(() => parseMinuteTrace(text)).toThrow(RangeError);
  });

  it("refuses a trace without functions, and one without minutes", () => {
    expect(() => parseMinuteTrace("function,minute0\n")).toThrow(RangeError);
    expect(() => parseMinuteTrace("function\nf0\n")).toThrow(RangeError);
  });
});

const trace = [
  [1, 0, 9],
  [5, 5, 0],
  [2, 2, 0],
  [5, 5, 0],
];

it("topFunctions() has those with the most calls, the earlier first where they are equal", () => {
  expect(topFunctions(trace, 3)).toEqual([trace[0], trace[1], trace[3]]);
  expect(topFunctions(firstMinutes(trace, 2), 2)).toEqual([
    [5, 5],
    [5, 5],
  ]);
  expect(topFunctions(trace, 9)).toHaveLength(4);
});

describe("topArrivals()", () => {
  it("has all calls of the functions with the most, which become the first ones", () => {
    fc.assert(
      fc.property(anyMinuteTrace, fc.integer({ min: 1, max: 10 }), (rows, count) => {
        const arrivals = spreadArrivals(rows, { seed: 1, spread: "random" });
        const top = topArrivals(arrivals, count);
        expect(minuteTraceOf(top)).toEqual(topFunctions(rows, count));
        const counts = [...callsByFunction(arrivals)].sort((a, b) => b - a);
        expect([...callsByFunction(top)]).toEqual(counts.slice(0, count));
      }),
    );
  });

  it("keeps how long each call took", () => {
    const arrivals = {
      ...{ timesMs: Float64Array.of(1, 2, 3), functionOf: Uint32Array.of(0, 1, 1) },
      ...{ functions: 2, durationMs: 4, tookMs: Float64Array.of(10, 20, 30) },
    };
    expect([...topArrivals(arrivals, 1).tookMs!]).toEqual([20, 30]);
    expect([...topArrivals(arrivals, 2).functionOf]).toEqual([1, 0, 0]);
  });
});

describe("normalisedTo()", () => {
  it("gives each minute with calls so many in all, each function its part to within a call", () => {
    fc.assert(
      fc.property(anyMinuteTrace, fc.integer({ min: 0, max: 1_000 }), (rows, callsAMinute) => {
        const scaled = normalisedTo(rows, callsAMinute);
        for (let minute = 0; minute < minutesOf(rows); minute++) {
          const before = rows.map((row) => row[minute]!);
          const after = scaled.map((row) => row[minute]!);
          const total = before.reduce((a, b) => a + b);
          expect(after.reduce((a, b) => a + b)).toBe(total === 0 ? 0 : callsAMinute);
          expect(after.every(Number.isInteger)).toBe(true);
          if (total === 0) continue;
          for (const [i, calls] of before.entries())
            expect(Math.abs(after[i]! - (calls / total) * callsAMinute)).toBeLessThan(1 + 1e-9);
        }
      }),
    );
  });

  it("refuses a number of calls that is not whole", () => {
    expect(() => normalisedTo(trace, 32.5)).toThrow("32.5 is no whole number");
    expect(() => normalisedTo(trace, -1)).toThrow(RangeError);
    expect(callsOf(normalisedTo(trace, 32))).toBe(96);
  });
});
