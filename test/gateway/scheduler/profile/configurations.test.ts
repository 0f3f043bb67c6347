import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  configurationsOf,
  efficiencyOf,
  largestEfficient,
  mostEfficient,
  smallestAbove,
} from "../../../../gateway/scheduler/profile/configurations.ts";
import { anyProfile, profileOf, saturating } from "./profiles.ts";

describe("configurationsOf()", () => {
  it("has one for each quota and share, with the batch size that does most", () => {
    const profile = saturating();
    const configurations = configurationsOf(profile);
    expect(configurations).toHaveLength(25);
    expect(new Set(configurations.map(({ batch }) => batch))).toEqual(new Set([16]));
  });

  it("keeps to a limit of latency by smaller batches, and leaves out what answers too late with each", () => {
    const limited = configurationsOf(saturating(), { maxP98Ms: 60 });
    expect(limited.every(({ p98Ms }) => p98Ms <= 60)).toBe(true);
    expect(new Set(limited.map(({ batch }) => batch)).size).toBeGreaterThan(1);
    expect(limited.length).toBeLessThan(25);
    expect(configurationsOf(saturating(), { maxP98Ms: 1 })).toEqual([]);
  });

  it("ascends by area", () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        const areas = configurationsOf(profile).map(({ quota, share }) => quota * share);
        expect(areas).toEqual([...areas].sort((a, b) => a - b));
      }),
    );
  });
});

describe("mostEfficient()", () => {
  it("is the one with the highest T / (S · Q), as in FaST-GShare: little space, as more of it gains less", () => {
    expect(mostEfficient(configurationsOf(saturating()))).toMatchObject({ share: 0.06, batch: 16 });
  });

  it("is beaten by none, and among equals does most", () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        const configurations = configurationsOf(profile);
        const best = mostEfficient(configurations)!;
        for (const one of configurations) {
          expect(efficiencyOf(one)).toBeLessThanOrEqual(efficiencyOf(best));
          if (efficiencyOf(one) === efficiencyOf(best))
            expect(one.throughput).toBeLessThanOrEqual(best.throughput);
        }
      }),
    );
    const even = profileOf(
      "even",
      (quota, share) => ({ throughput: 64 * quota * share, p50Ms: 1, p98Ms: 1 }),
      {
        quotas: [0.25, 0.5, 1],
        shares: [0.5, 1],
      },
    );
    expect(mostEfficient(configurationsOf(even))).toMatchObject({ quota: 1, share: 1, batch: 1 });
  });

  it("is undefined where there is none", () => {
    expect(mostEfficient([])).toBeUndefined();
  });
});

describe("largestEfficient()", () => {
  it("does most within the rate among those that are efficient enough, and is the most efficient where none is", () => {
    fc.assert(
      fc.property(
        anyProfile,
        fc.integer({ min: 0, max: 6000 }),
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        (profile, rate, least) => {
          const configurations = configurationsOf(profile);
          const best = mostEfficient(configurations)!;
          const enough = configurations.filter(
            (one) => one.throughput <= rate && efficiencyOf(one) >= least * efficiencyOf(best),
          );
          const found = largestEfficient(configurations, rate, least)!;
          const most = Math.max(0, ...enough.map(({ throughput }) => throughput));
          expect(found.throughput).toBe(Math.max(most, best.throughput));
          expect(efficiencyOf(found)).toBeGreaterThanOrEqual(least * efficiencyOf(best));
        },
      ),
    );
  });
});

describe("smallestAbove()", () => {
  it("has the smallest area of those with throughput above the rate, and of equals does most", () => {
    fc.assert(
      fc.property(anyProfile, fc.integer({ min: 0, max: 6000 }), (profile, rate) => {
        const configurations = configurationsOf(profile);
        const found = smallestAbove(configurations, rate);
        const enough = configurations.filter(({ throughput }) => throughput > rate);
        if (found === undefined) {
          expect(enough).toEqual([]);
          return;
        }
        const area = found.quota * found.share;
        expect(area).toBe(Math.min(...enough.map(({ quota, share }) => quota * share)));
        const equals = enough.filter(({ quota, share }) => quota * share === area);
        expect(found.throughput).toBe(Math.max(...equals.map(({ throughput }) => throughput)));
      }),
    );
  });

  it("takes no more area for throughput that was lower by noise only", () => {
    // With more space 99 were measured instead of 100: what the smaller can do, the larger can.
    const noisy = profileOf(
      "noisy",
      (_, share) => ({ throughput: share === 1 ? 99 : 100, p50Ms: 1, p98Ms: 1 }),
      {
        quotas: [1],
        shares: [0.5, 1],
        batches: [1],
      },
    );
    expect(smallestAbove(configurationsOf(noisy), 98)).toMatchObject({ share: 0.5 });
    expect(smallestAbove(configurationsOf(noisy), 100)).toBeUndefined();
  });
});
