import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Samples } from "../../../../gateway/scheduler/core/samples.ts";

const kept = 16;
const values = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 50 });
const shares = fc.double({ min: 0, max: 1, noNaN: true });

function samplesOf(added: readonly number[], known?: number): Samples {
  const samples = new Samples(known);
  for (const value of added) samples.add(value);
  return samples;
}

describe("Samples", () => {
  it("has the value that so many of the last 16 do not exceed, and no more than so many are below", () => {
    fc.assert(
      fc.property(values, shares, (added, p) => {
        const last = added.slice(-kept);
        const value = samplesOf(added).quantile(p);
        const share = (matching: (one: number) => boolean) => last.filter(matching).length / last.length;
        expect(last).toContain(value);
        expect(share((one) => one <= value)).toBeGreaterThanOrEqual(p);
        expect(share((one) => one < value)).toBeLessThanOrEqual(p);
      }),
      { numRuns: 1_000 },
    );
  });

  it("has the middle one of an odd number as its median, the upper of both middle ones of an even number", () => {
    expect(samplesOf([5, 1, 9]).median).toBe(5);
    expect(samplesOf([5, 1, 9, 7]).median).toBe(7);
    expect(samplesOf([5, 5, 5, 1_000]).median).toBe(5);
  });

  it("has larger quantiles for larger shares, whenever it is asked", () => {
    fc.assert(
      fc.property(values, shares, shares, (added, a, b) => {
        const samples = new Samples();
        for (const value of added) {
          samples.add(value);
          expect(samples.quantile(Math.min(a, b))).toBeLessThanOrEqual(samples.quantile(Math.max(a, b)));
        }
        expect([samples.quantile(0), samples.quantile(1)]).toEqual([
          Math.min(...added.slice(-kept)),
          Math.max(...added.slice(-kept)),
        ]);
      }),
    );
  });

  it("takes what is known for a measurement until there is one", () => {
    expect(samplesOf([], 3).median).toBe(3);
    expect(samplesOf([], 3).isEmpty).toBe(false);
    expect(samplesOf([8], 3).quantile(0)).toBe(8);
    expect(samplesOf([8, 9], 3).quantile(0)).toBe(8);
  });

  it("has no quantile while it is empty", () => {
    expect(new Samples().isEmpty).toBe(true);
    expect(new Samples().median).toBeNaN();
  });
});
