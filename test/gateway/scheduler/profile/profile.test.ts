import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseProfile, toProfileRecord } from "../../../../gateway/scheduler/profile/profile.ts";
import { profileLines, shortNumber } from "../../../../gateway/scheduler/profile/profile-text.ts";
import { anyProfile, profileOf, saturating } from "./profiles.ts";

describe("parseProfile()", () => {
  it("reads what was written, after a way through JSON", () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        expect(parseProfile(JSON.parse(JSON.stringify(toProfileRecord(profile))))).toEqual(profile);
      }),
    );
  });

  it("says what is wrong with a record, and takes the one that it was made from", () => {
    const good = toProfileRecord(saturating());
    const [first, ...others] = good.points;
    const withFirst = (change: object) => ({ ...good, points: [{ ...first, ...change }, ...others] });
    expect(() => parseProfile(good)).not.toThrow();
    expect(() => parseProfile({ ...good, format: 2 })).toThrow(/format/);
    expect(() => parseProfile({ ...good, points: [] })).toThrow(/points/);
    expect(() => parseProfile(withFirst({ quota: 0 }))).toThrow(/points\.0\.quota/);
    expect(() => parseProfile(withFirst({ quota: 1.5 }))).toThrow(/points\.0\.quota/);
    expect(() => parseProfile(withFirst({ batch: 1.5 }))).toThrow(/points\.0\.batch/);
    expect(() => parseProfile(withFirst({ throughput: Number.POSITIVE_INFINITY }))).toThrow(/throughput/);
    expect(() => parseProfile(withFirst({ p50Ms: 1e6 }))).toThrow(/median/);
  });

  it("refuses a grid with a hole or with a point twice", () => {
    const good = toProfileRecord(saturating());
    expect(() => parseProfile({ ...good, points: good.points.slice(1) })).toThrow(/every combination/);
    expect(() => parseProfile({ ...good, points: [...good.points, good.points[0]] })).toThrow(
      /every combination/,
    );
  });
});

describe("profileLines()", () => {
  it("has a table for each batch size, and the most efficient configuration", () => {
    const figures = (quota: number, share: number, batch: number) => ({
      throughput: 100 * quota * Math.sqrt(share) * batch,
      p50Ms: 10,
      p98Ms: 12.34,
    });
    const profile = profileOf("resnet50", figures, { quotas: [0.5, 1], shares: [0.25, 1], batches: [1, 4] });
    expect(profileLines(profile)).toEqual([
      "resnet50 on Test GPU: calls a second (p98 in ms)",
      "",
      "batch 1",
      "share  50 % of time  100 % of time",
      "25 %   25 (12.3)     50 (12.3)",
      "100 %  50 (12.3)     100 (12.3)",
      "",
      "batch 4",
      "share  50 % of time  100 % of time",
      "25 %   100 (12.3)    200 (12.3)",
      "100 %  200 (12.3)    400 (12.3)",
      "",
      "most efficient: 100 % of time, 25 % of space, batch 4: 800 calls a second for a whole device's worth",
    ]);
  });

  it("writes numbers with three digits", () => {
    const texts = [0, 0.03125, 4.123, 99.96, 312.4, 1234, 9996, 12_345, 999_600].map(shortNumber);
    expect(texts).toEqual(["0", "0.0313", "4.12", "100", "312", "1234", "10k", "12.3k", "1M"]);
  });
});
