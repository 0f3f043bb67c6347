import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  neverUsed,
  type UseRate,
  usesPerSecond,
  withUse,
} from "../../../../gateway/scheduler/eviction/use-rate.ts";
import { seededRandom } from "../../../../models/seeded.ts";

const halfLifeMs = 60_000;
const anyTimes = fc
  .array(fc.integer({ min: 0, max: 600_000 }), { minLength: 1, maxLength: 30 })
  .map((times) => times.sort((a, b) => a - b));

function usedAt(times: readonly number[]): UseRate {
  return times.reduce((rate, atMs) => withUse(rate, atMs), neverUsed(halfLifeMs));
}

describe("UseRate", () => {
  it("is 0 for what was never used, and above it after a use", () => {
    expect(usesPerSecond(neverUsed(halfLifeMs), 5_000)).toBe(0);
    expect(usesPerSecond(usedAt([0]), 5_000)).toBeGreaterThan(0);
  });

  it("halves with every half-life that passes without a use", () => {
    fc.assert(
      fc.property(anyTimes, (times) => {
        const rate = usedAt(times);
        const last = times.at(-1)!;
        const now = usesPerSecond(rate, last);
        expect(usesPerSecond(rate, last + halfLifeMs)).toBeCloseTo(now / 2, 12);
        expect(usesPerSecond(rate, last + 3 * halfLifeMs)).toBeCloseTo(now / 8, 12);
        expect(usesPerSecond(rate, last + 1e12)).toBe(0);
      }),
    );
  });

  it("is the sum of its uses, each faded by its age", () => {
    fc.assert(
      fc.property(anyTimes, fc.nat(100_000), (times, later) => {
        const nowMs = times.at(-1)! + later;
        const faded = times.reduce((sum, atMs) => sum + 0.5 ** ((nowMs - atMs) / halfLifeMs), 0);
        expect(usesPerSecond(usedAt(times), nowMs)).toBeCloseTo((faded * Math.LN2) / 60, 10);
      }),
    );
  });

  it("rises at once where many uses come together, and as far as by one at a time", () => {
    const together = withUse(neverUsed(halfLifeMs), 1_000, 3);
    expect(together).toEqual(usedAt([1_000, 1_000, 1_000]));
  });

  it("does not change the rate that it was made from", () => {
    const before = usedAt([0]);
    withUse(before, 1_000);
    expect(before).toEqual(usedAt([0]));
  });

  it("takes a clock that went back for one that stood still", () => {
    expect(withUse(usedAt([5_000]), 4_000)).toEqual(usedAt([5_000, 5_000]));
    expect(usesPerSecond(usedAt([5_000]), 4_000)).toBe(usesPerSecond(usedAt([5_000]), 5_000));
  });

  it("finds the rate of regular calls, from below at first", () => {
    const times = Array.from({ length: 600 }, (_, i) => (i + 0.5) * 1_000);
    expect(usesPerSecond(usedAt(times.slice(0, 60)), halfLifeMs)).toBeCloseTo(0.5, 3);
    expect(usesPerSecond(usedAt(times.slice(0, 180)), 3 * halfLifeMs)).toBeCloseTo(7 / 8, 3);
    expect(usesPerSecond(usedAt(times), 600_000)).toBeCloseTo(1, 2);
  });

  it("scatters around the rate of random calls as much as its documentation says", () => {
    const perSecond = 1 / 6;
    const samples = Array.from({ length: 400 }, (_, i) => {
      const random = seededRandom(i + 1);
      let rate = neverUsed(120_000);
      let atMs = 0;
      for (;;) {
        atMs -= (Math.log(1 - random()) * 1_000) / perSecond;
        if (atMs > 1_800_000) return usesPerSecond(rate, 1_800_000) / perSecond;
        rate = withUse(rate, atMs);
      }
    });
    const mean = samples.reduce((sum, one) => sum + one, 0) / samples.length;
    const variance = samples.reduce((sum, one) => sum + (one - mean) ** 2, 0) / samples.length;
    expect(mean).toBeCloseTo(1, 1);
    expect(Math.abs(Math.sqrt(variance) - 1 / 8)).toBeLessThan(0.02);
  });

  it("refuses a half-life that is no time", () => {
    for (const none of [0, -1, Number.NaN])
      expect(() => neverUsed(none)).toThrow("A half-life is more than 0 ms");
    expect(neverUsed(1).halfLifeMs).toBe(1);
  });
});
