import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { skewedArrivals } from "../../../bench/density/arrivals.ts";
import { callsByFunction } from "../../../bench/traces/arrivals.ts";
import { expectCount, expectInOrder } from "../traces/chance.ts";

const options = { durationMs: 600_000, rate: 100, seed: 1 };

describe("skewedArrivals()", () => {
  it("gives each function its share of Zipf's law, and the rate asked for in all", () => {
    const arrivals = skewedArrivals(20, options);
    expectInOrder(arrivals);
    // Bursts of eight calls in the mean, geometric: their counts vary fifteen times as much as calls at random.
    expectCount(arrivals.timesMs.length, 60_000, 15);
    const harmonic = Array.from({ length: 20 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    const counts = callsByFunction(arrivals).sort().reverse();
    expectCount(counts[0]!, 60_000 / harmonic);
    expectCount(counts[1]!, 60_000 / harmonic / 2, 15);
    expect(counts[0]! / counts.at(-1)!).toBeGreaterThan(10);
  });

  it("gives the same calls for a seed, and others for another one", () => {
    expect(skewedArrivals(20, options)).toEqual(skewedArrivals(20, options));
    expect(skewedArrivals(20, { ...options, seed: 2 })).not.toEqual(skewedArrivals(20, options));
  });

  it("has its rate also where bursts overlap most of the time", () => {
    const { timesMs } = skewedArrivals(2, { ...options, rate: 1_000, durationMs: 60_000 });
    expectCount(timesMs.length, 60_000, 15);
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
          expectInOrder(arrivals);
          expect(arrivals.functions).toBe(functions);
        },
      ),
      { numRuns: 50 },
    );
  });
});
