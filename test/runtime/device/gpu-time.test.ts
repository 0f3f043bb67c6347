/** What timestamps are worth and whose a round's time is; nothing here has a GPU. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { measuredMs, splitMs } from "../../../runtime/device/gpu-time.ts";

describe("measuredMs()", () => {
  test("is the time between the timestamps", () => {
    expect(measuredMs(5_000_000n, 8_500_000n, 4)).toBe(3.5);
  });

  test.each([
    ["were never written", 0n, 0n],
    ["have an end alone", 0n, 8_500_000n],
    ["go backwards", 8_500_000n, 5_000_000n],
    ["say far more than the host waited", 5_000_000n, 25_000_000n],
  ])("refuses timestamps that %s", (_, begin, end) => {
    expect(measuredMs(begin, end, 4)).toBeUndefined();
  });

  test("takes rounded timestamps of a run that is shorter than their steps", () => {
    expect(measuredMs(65_536n, 131_072n, 0.01)).toBe(0.065536);
    expect(measuredMs(65_536n, 65_536n, 0.01)).toBe(0);
  });
});

describe("splitMs()", () => {
  test("splits in proportion to what runs take alone", () => {
    expect(splitMs(12, [1, 2, 3])).toEqual([2, 4, 6]);
  });

  test("takes those that are not known for the mean of the others", () => {
    expect(splitMs(12, [1, undefined, 3])).toEqual([2, 4, 6]);
  });

  test("splits equally where nothing is known", () => {
    expect(splitMs(12, [undefined, undefined, undefined])).toEqual([4, 4, 4]);
    expect(splitMs(12, [0, 0])).toEqual([6, 6]);
  });

  test("loses and invents no time", () => {
    const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
    const runs = fc.array(fc.option(ms, { nil: undefined }), { minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(ms, runs, (totalMs, soloMs) => {
        const shares = splitMs(totalMs, soloMs);
        expect(shares).toHaveLength(soloMs.length);
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
        const sum = shares.reduce((all, share) => all + share, 0);
        expect(Math.abs(sum - totalMs)).toBeLessThanOrEqual(1e-9 * totalMs + Number.MIN_VALUE * 64);
      }),
    );
  });
});
