import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gridOf, lookUp } from "../../../../gateway/scheduler/profile/grid.ts";
import { anyProfile, profileOf, saturating } from "./profiles.ts";

const anyPart = fc.integer({ min: 1, max: 1000 }).map((thousandths) => thousandths / 1000);
const anyBatch = fc.integer({ min: 1, max: 40 });

describe("lookUp()", () => {
  it("gives what was measured where it was measured, and says that it does not extrapolate", () => {
    const profile = saturating();
    const grid = gridOf(profile);
    for (const point of profile.points) {
      const { throughput, p50Ms, p98Ms, isExtrapolated } = lookUp(grid, point);
      expect(throughput).toBeCloseTo(point.throughput, 9);
      expect(p50Ms).toBeCloseTo(point.p50Ms, 9);
      expect(p98Ms).toBeCloseTo(point.p98Ms, 9);
      expect(isExtrapolated).toBe(false);
    }
  });

  it("interpolates quota and share linearly, batch sizes by their logarithm", () => {
    const axes = { quotas: [0.2, 0.6], shares: [0.5, 1], batches: [4, 16] };
    const figures = (quota: number, share: number, batch: number) => ({
      throughput: 100 * quota + 50 * share + 10 * Math.log2(batch),
      p50Ms: 1,
      p98Ms: 9 - 5 * quota,
    });
    const grid = gridOf(profileOf("f", figures, axes));
    const { throughput, p98Ms, isExtrapolated } = lookUp(grid, { quota: 0.3, share: 0.75, batch: 8 });
    expect(throughput).toBeCloseTo(30 + 37.5 + 30, 9);
    expect(p98Ms).toBeCloseTo(7.5, 9);
    expect(isExtrapolated).toBe(false);
  });

  it("says that it extrapolates outside, in proportion below the smallest quota and share", () => {
    const grid = gridOf(saturating());
    const smallest = lookUp(grid, { quota: 0.2, share: 0.06, batch: 1 });
    const half = lookUp(grid, { quota: 0.1, share: 0.06, batch: 1 });
    expect(half).toMatchObject({ isExtrapolated: true });
    expect(half.throughput).toBeCloseTo(smallest.throughput / 2, 9);
    expect(half.p98Ms).toBeCloseTo(smallest.p98Ms * 2, 9);
    expect(lookUp(grid, { quota: 0.2, share: 0.03, batch: 1 }).throughput).toBeCloseTo(
      smallest.throughput / 2,
      9,
    );
    const larger = lookUp(grid, { quota: 1, share: 1, batch: 32 });
    expect(larger).toEqual({ ...lookUp(grid, { quota: 1, share: 1, batch: 16 }), isExtrapolated: true });
  });

  it("never has throughput fall with more quota or share, nor latency rise with more quota, whatever was measured", () => {
    fc.assert(
      fc.property(anyProfile, anyPart, anyPart, anyPart, anyBatch, (profile, quota, share, more, batch) => {
        const grid = gridOf(profile);
        const base = lookUp(grid, { quota, share, batch });
        const longer = lookUp(grid, { quota: Math.min(1, quota + more), share, batch });
        const wider = lookUp(grid, { quota, share: Math.min(1, share + more), batch });
        // Sums of products are exact to some of the last bits only.
        const slack = 1 + 1e-12;
        expect(longer.throughput * slack).toBeGreaterThanOrEqual(base.throughput);
        expect(wider.throughput * slack).toBeGreaterThanOrEqual(base.throughput);
        expect(longer.p50Ms).toBeLessThanOrEqual(base.p50Ms * slack);
        expect(longer.p98Ms).toBeLessThanOrEqual(base.p98Ms * slack);
      }),
    );
  });

  it("stays between the least and the most that was measured, within the grid", () => {
    fc.assert(
      fc.property(anyProfile, anyPart, anyPart, anyBatch, (profile, quota, share, batch) => {
        const estimate = lookUp(gridOf(profile), { quota, share, batch });
        if (estimate.isExtrapolated) return;
        const throughputs = profile.points.map(({ throughput }) => throughput);
        expect(estimate.throughput).toBeGreaterThanOrEqual(Math.min(...throughputs) * (1 - 1e-12));
        expect(estimate.throughput).toBeLessThanOrEqual(Math.max(...throughputs) * (1 + 1e-12));
      }),
    );
  });

  it("refuses what is not above 0; the smallest that is passes", () => {
    const grid = gridOf(saturating());
    for (const bad of [0, -1, Number.NaN]) {
      expect(() => lookUp(grid, { quota: bad, share: 1, batch: 1 })).toThrow(RangeError);
      expect(() => lookUp(grid, { quota: 1, share: bad, batch: 1 })).toThrow(RangeError);
      expect(() => lookUp(grid, { quota: 1, share: 1, batch: bad })).toThrow(RangeError);
    }
    expect(lookUp(grid, { quota: 1e-6, share: 1, batch: 1 }).throughput).toBeGreaterThan(0);
  });
});
