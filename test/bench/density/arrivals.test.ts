import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Arrival,
  parseTrace,
  skewedArrivals,
  speedUpOf,
  traceArrivals,
} from "../../../bench/density/arrivals.ts";

const trace = parseTrace("function,minute0,minute1\nf0,30,10\nf1,0,20\n");
const options = { durationMs: 60_000, rate: 100, seed: 1 };

function callsOf(arrivals: readonly Arrival[], functions: number): readonly number[] {
  return Array.from({ length: functions }, (_, i) => arrivals.filter((one) => one.function === i).length);
}

function expectInOrder(arrivals: readonly Arrival[], durationMs: number): void {
  const times = arrivals.map(({ atMs }) => atMs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.every((at) => at >= 0 && at < durationMs)).toBe(true);
}

describe("parseTrace()", () => {
  it("gives a row a function", () => {
    expect(trace).toEqual([
      [30, 10],
      [0, 20],
    ]);
  });

  it("refuses a line with a number too few, and one with something else in place of a number", () => {
    expect(() => parseTrace("function,minute0,minute1\nf0,30\n")).toThrow(RangeError);
    expect(() => parseTrace("function,minute0,minute1\nf0,30,many\n")).toThrow("'f0'");
  });
});

describe("traceArrivals()", () => {
  it("plays the whole trace in the time that there is, at the rate asked for", () => {
    const arrivals = traceArrivals(trace, options);
    expectInOrder(arrivals, 60_000);
    expect(arrivals.length).toBeGreaterThan(5_600);
    expect(arrivals.length).toBeLessThan(6_400);
    const second = arrivals.filter((one) => one.function === 1);
    expect(second.every(({ atMs }) => atMs >= 30_000)).toBe(true);
    // 40 calls of 60, and 20.
    const [first = 0, other = 0] = callsOf(arrivals, 2);
    expect(first / other).toBeGreaterThan(1.8);
    expect(first / other).toBeLessThan(2.2);
  });

  it("gives the same calls for a seed, and others for another one", () => {
    expect(traceArrivals(trace, options)).toEqual(traceArrivals(trace, options));
    expect(traceArrivals(trace, { ...options, seed: 2 })).not.toEqual(traceArrivals(trace, options));
  });

  it("speedUpOf() compares its rate with the trace's own, half a call a second here", () => {
    expect(speedUpOf(trace, 100)).toBeCloseTo(200);
  });
});

describe("skewedArrivals()", () => {
  it("gives the first function its share of Zipf's law, and the rate asked for in all", () => {
    const functions = 20;
    const arrivals = skewedArrivals(functions, { ...options, durationMs: 600_000 });
    expectInOrder(arrivals, 600_000);
    expect(arrivals.length).toBeGreaterThan(55_000);
    expect(arrivals.length).toBeLessThan(65_000);
    const counts = [...callsOf(arrivals, functions)].sort((a, b) => b - a);
    const harmonic = Array.from({ length: functions }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    expect(counts[0]! / arrivals.length).toBeCloseTo(1 / harmonic, 1);
    expect(counts[0]! / counts.at(-1)!).toBeGreaterThan(10);
  });

  it("stays within its time and its functions, whatever they are", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer(),
        (functions, durationMs, rate, seed) => {
          const arrivals = skewedArrivals(functions, { durationMs, rate, seed });
          expectInOrder(arrivals, durationMs);
          expect(arrivals.every((one) => one.function >= 0 && one.function < functions)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });
});
