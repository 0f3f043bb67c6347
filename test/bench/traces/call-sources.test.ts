import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Arrivals, type CallSource, gatherArrivals } from "../../../bench/traces/arrivals.ts";
import {
  burstyCalls,
  periodicCalls,
  randomCalls,
  steppedCalls,
  throughTheDay,
} from "../../../bench/traces/call-sources.ts";
import { randomStream } from "../../../bench/traces/random.ts";
import { functionGapCvs, indexOfDispersion } from "../../../bench/traces/statistics.ts";
import { expectCount, expectInOrder } from "./chance.ts";

const gather = (source: CallSource, durationMs: number): Arrivals => gatherArrivals([source], durationMs);
const cvOf = (arrivals: Arrivals) => functionGapCvs(arrivals)[0]!;
const anySeed = fc.integer();

it("calls at random have their rate, a CV of 1 and a dispersion of 1", () => {
  fc.assert(
    fc.property(anySeed, fc.double({ min: 0.1, max: 10, noNaN: true }), (seed, perMs) => {
      const durationMs = 50_000 / perMs;
      const arrivals = gather(randomCalls(randomStream(seed, 0), perMs), durationMs);
      expectInOrder(arrivals);
      expectCount(arrivals.timesMs.length, 50_000);
      // Of n gaps, the CV's standard deviation is 1/√n: ten of them.
      expect(Math.abs(cvOf(arrivals) - 1)).toBeLessThan(10 / Math.sqrt(50_000));
      // Of 1000 windows, the index's is √(2/1000).
      const dispersion = indexOfDispersion(arrivals.timesMs, durationMs, durationMs / 1000);
      expect(Math.abs(dispersion - 1)).toBeLessThan(0.5);
    }),
    { numRuns: 20 },
  );
});

it("periodic calls have equal gaps, and a first call within one of them", () => {
  fc.assert(
    fc.property(anySeed, fc.double({ min: 1e-3, max: 10, noNaN: true }), (seed, perMs) => {
      const arrivals = gather(periodicCalls(randomStream(seed, 0), perMs), 1000.5 / perMs);
      expectInOrder(arrivals);
      expect(arrivals.timesMs.length === 1000 || arrivals.timesMs.length === 1001).toBe(true);
      expect(arrivals.timesMs[0]).toBeLessThan(1 / perMs);
      expect(cvOf(arrivals)).toBeLessThan(1e-6);
    }),
    { numRuns: 50 },
  );
});

it("bursty calls have their rate, and the CV of an interrupted Poisson process: above 1", () => {
  const factors = fc.double({ min: 2, max: 50, noNaN: true });
  fc.assert(
    fc.property(anySeed, factors, fc.integer({ min: 2, max: 30 }), (seed, factor, calls) => {
      const cvSquared = 1 + 2 * calls * ((factor - 1) / factor) ** 2;
      const arrivals = gather(burstyCalls(randomStream(seed, 0), 1, { factor, calls }), 400_000);
      expectInOrder(arrivals);
      expectCount(arrivals.timesMs.length, 400_000, cvSquared);
      // Every calls-th gap is long: the standard deviation of CV² is at most 2.5 % of it.
      const relative = cvOf(arrivals) ** 2 / cvSquared;
      expect(relative).toBeGreaterThan(0.7);
      expect(relative).toBeLessThan(1.4);
    }),
    { numRuns: 15 },
  );
});

it("bursty traces begin in a burst as often as bursts take time", () => {
  const pattern = { factor: 4, calls: 1000 };
  let began = 0;
  // A burst lasts 250 s and has four calls a second; silence lasts 750 s.
  for (let seed = 0; seed < 4_000; seed++)
    if (burstyCalls(randomStream(seed, 0), 0.001, pattern)() < 5_000) began++;
  // A quarter, and those that begin within the first seconds, less bursts that end before their first call.
  expect(began / 4_000).toBeGreaterThan(0.2);
  expect(began / 4_000).toBeLessThan(0.31);
});

describe("throughTheDay()", () => {
  const halves = (depth: number) => {
    const day = { depth, lengthMs: 50_000 };
    const source = throughTheDay(randomStream(1, 1), randomCalls(randomStream(1, 0), 1 + depth), day);
    const arrivals = gather(source, 100_000);
    expectInOrder(arrivals);
    const isFirst = (at: number) => at % 50_000 < 25_000;
    const first = arrivals.timesMs.filter(isFirst).length;
    return [first, arrivals.timesMs.length - first] as const;
  };

  it("has more calls in the first half of a day than in the second, and as many in all", () => {
    const [first, second] = halves(0.8);
    expectCount(first, 50_000 * (1 + (2 * 0.8) / Math.PI));
    expectCount(second, 50_000 * (1 - (2 * 0.8) / Math.PI));
  });

  it("leaves all calls where there is no day to see", () => {
    const thinned = gather(
      throughTheDay(randomStream(1, 1), periodicCalls(randomStream(1, 0), 1), { depth: 0, lengthMs: 1 }),
      1_000,
    );
    expect(thinned).toEqual(gather(periodicCalls(randomStream(1, 0), 1), 1_000));
  });

  it("ends where its source does", () => {
    const day = { depth: 1, lengthMs: 1_000 };
    expect(throughTheDay(randomStream(1, 1), () => Infinity, day)()).toBe(Infinity);
  });
});

it("stepped calls have the rate of each step, none in those of rate 0, and end with the last", () => {
  const perMs = [2, 0, 0.5, 4, 0];
  const source = steppedCalls(randomStream(3, 0), perMs, 10_000);
  const arrivals = gather(source, Infinity);
  const counts = new Array<number>(5).fill(0);
  for (const at of arrivals.timesMs) counts[Math.floor(at / 10_000)]!++;
  for (const [step, rate] of perMs.entries()) {
    if (rate === 0) expect(counts[step]).toBe(0);
    else expectCount(counts[step]!, rate * 10_000);
  }
  expect(source()).toBe(Infinity);
});
