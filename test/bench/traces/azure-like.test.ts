import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { callsByFunction, mergeSources } from "../../../bench/traces/arrivals.ts";
import {
  type AzureLikeOptions,
  azureLikeArrivals,
  azureLikeSources,
  functionPatterns,
} from "../../../bench/traces/azure-like.ts";
import { functionGapCvs, traceStatistics } from "../../../bench/traces/statistics.ts";
import { expectCount, expectInOrder } from "./chance.ts";

const options: AzureLikeOptions = { functions: 40, durationMs: 600_000, callsPerSecond: 50, seed: 1 };
const anyOptions: fc.Arbitrary<AzureLikeOptions> = fc.record({
  functions: fc.integer({ min: 1, max: 60 }),
  durationMs: fc.integer({ min: 1, max: 20_000 }),
  callsPerSecond: fc.integer({ min: 1, max: 200 }),
  seed: fc.integer(),
  popularity: fc.constantFrom({ type: "zipf", exponent: 1.2 }, { type: "azure2019" }),
  periodicShare: fc.double({ min: 0, max: 0.5, noNaN: true }),
  burstyShare: fc.double({ min: 0, max: 0.5, noNaN: true }),
  burst: fc.record({ factor: fc.integer({ min: 2, max: 100 }), calls: fc.integer({ min: 1, max: 50 }) }),
  day: fc.record({
    depth: fc.double({ min: 0, max: 1, noNaN: true }),
    lengthMs: fc.integer({ min: 1_000, max: 10_000 }),
  }),
});

describe("azureLikeArrivals()", () => {
  it("ascends, stays within its time and its functions, and is the same for the same seed", () => {
    fc.assert(
      fc.property(anyOptions, (any) => {
        const arrivals = azureLikeArrivals(any);
        expectInOrder(arrivals);
        expect(arrivals.functions).toBe(any.functions);
        expect(arrivals.durationMs).toBe(any.durationMs);
        expect(azureLikeArrivals(any)).toEqual(arrivals);
      }),
      { numRuns: 60 },
    );
  });

  it("is another one for another seed", () => {
    expect(azureLikeArrivals({ ...options, seed: 2 })).not.toEqual(azureLikeArrivals(options));
  });

  it("has the rate asked for, and gives each function its share of it", () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0, max: 2, noNaN: true }), (seed, exponent) => {
        const asked = { ...options, seed, popularity: { type: "zipf" as const, exponent } };
        const patterns = functionPatterns(asked);
        const arrivals = azureLikeArrivals(asked);
        const dispersion = 1 + 2 * 10 * 0.9 ** 2;
        expectCount(arrivals.timesMs.length, 30_000, dispersion);
        for (const [index, calls] of callsByFunction(arrivals).entries()) {
          const { type, perMs } = patterns[index]!;
          const mean = perMs * options.durationMs;
          if (type === "periodic") expect(Math.abs(calls - mean)).toBeLessThan(1.001);
          else expectCount(calls, mean, type === "bursty" ? dispersion : 1);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("has as many periodic and bursty functions as asked for, with the CVs of their kind", () => {
    const burst = { factor: 20, calls: 5 };
    const asked = { ...options, functions: 10, periodicShare: 0.3, burstyShare: 0.5, burst };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const flat = { ...asked, seed, popularity: { type: "zipf" as const, exponent: 0 } };
        const patterns = functionPatterns(flat);
        const count = (wanted: string) => patterns.filter(({ type }) => type === wanted).length;
        expect([count("periodic"), count("bursty"), count("random")]).toEqual([3, 5, 2]);
        // Of each function 3000 calls; bursts have CV 3.2.
        for (const [index, cv] of functionGapCvs(azureLikeArrivals(flat)).entries()) {
          const { type } = patterns[index]!;
          if (type === "periodic") expect(cv).toBeLessThan(1e-6);
          else if (type === "bursty") expect(cv).toBeGreaterThan(1.5);
          else expect(Math.abs(cv - 1)).toBeLessThan(0.2);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("gives the top tenth what its skew says", () => {
    const shareFor = (exponent: number) => {
      const popularity = { type: "zipf" as const, exponent };
      const asked = { ...options, functions: 1_000, durationMs: 3_600_000, periodicShare: 0, burstyShare: 0 };
      return traceStatistics(azureLikeArrivals({ ...asked, popularity })).top10Share;
    };
    const harmonic = (count: number) =>
      Array.from({ length: count }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    // 180,000 calls: 0.01 is eight standard deviations and more.
    expect(Math.abs(shareFor(1) - harmonic(100) / harmonic(1_000))).toBeLessThan(0.01);
    // All alike, and still some have more calls than others.
    expect(shareFor(0)).toBeLessThan(0.13);
  });

  it("follows the day with all functions but the periodic ones, which keep to their times", () => {
    const day = { depth: 1, lengthMs: 60_000 };
    const flat = { ...options, functions: 3, popularity: { type: "zipf" as const, exponent: 0 }, day };
    const asked = { ...flat, periodicShare: 1 / 3, burstyShare: 1 / 3 };
    const patterns = functionPatterns(asked);
    const { timesMs, functionOf } = azureLikeArrivals(asked);
    for (const [index, { type }] of patterns.entries()) {
      const own = timesMs.filter((_, i) => functionOf[i] === index);
      const first = own.filter((at) => at % 60_000 < 30_000).length;
      if (type === "periodic") expect(Math.abs(first - 5_000)).toBeLessThan(20);
      else expectCount(first, 5_000 * (1 + 2 / Math.PI), type === "bursty" ? 40 : 1);
      if (type === "random") expectCount(own.length, 10_000);
    }
  });

  it.each<[string, Partial<AzureLikeOptions>]>([
    ["no rate", { callsPerSecond: 0 }],
    ["shares above 1 together", { periodicShare: 0.6, burstyShare: 0.6 }],
    ["a share below 0", { periodicShare: -0.1 }],
    ["bursts no faster than the mean", { burst: { factor: 1, calls: 10 } }],
    ["a day deeper than its mean", { day: { depth: 1.1, lengthMs: 1_000 } }],
  ])("refuses %s", (_, wrong) => {
    expect(() => azureLikeArrivals({ ...options, ...wrong })).toThrow(RangeError);
    expect(() => azureLikeArrivals(options)).not.toThrow();
  });
});

it("a trace too long to keep is read block by block, the same calls as all at once", () => {
  const asked = { ...options, functions: 300, callsPerSecond: 2_000 };
  const whole = azureLikeArrivals(asked);
  expect(whole.timesMs.length).toBeGreaterThan(1_000_000);
  let at = 0;
  for (const { timesMs, functionOf } of mergeSources(azureLikeSources(asked), asked.durationMs)) {
    const differs = timesMs.findIndex(
      (ms, i) => ms !== whole.timesMs[at + i] || functionOf[i] !== whole.functionOf[at + i],
    );
    expect(differs).toBe(-1);
    at += timesMs.length;
  }
  expect(at).toBe(whole.timesMs.length);
});
