import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interleave, median, percentile, timed } from "../../../bench/harness/statistics.ts";

describe("percentile()", () => {
  it("is linear between neighbours and takes no order for granted", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(percentile([10, 20, 30, 40, 50], 0.9)).toBeCloseTo(46);
    expect(percentile(Float64Array.of(7), 0.99)).toBe(7);
  });

  it("lies between the extremes and grows with p", () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(values, fraction, fraction, (list, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(percentile(list, 0)).toBe(Math.min(...list) + 0);
        expect(percentile(list, 1)).toBe(Math.max(...list) + 0);
        expect(percentile(list, low)).toBeLessThanOrEqual(percentile(list, high) + 1e-9);
      }),
    );
  });

  it("refuses what has no percentile", () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
    expect(() => percentile([1], 1.5)).toThrow(RangeError);
    expect(() => percentile([1], Number.NaN)).toThrow(RangeError);
  });
});

describe("interleave()", () => {
  it("lets contestants take turns, begins each round with another, and warms up once", async () => {
    const order: string[] = [];
    const contestant = (name: string) => () => order.push(name);
    await interleave({ a: contestant("a"), b: contestant("b"), c: contestant("c") }, 3);
    expect(order.join("")).toBe("abc" + "abc" + "bca" + "cab");
  });

  it("reports the median of the rounds' ratios, not the ratio of the medians", async () => {
    const series = (values: readonly number[]) => {
      let next = 0;
      return async () => values[next++]!;
    };
    // The machine is three times slower in the last two rounds; the first value is the warm-up's.
    const rounds = await interleave(
      { fast: series([9, 1, 1, 3, 4, 3]), slow: series([9, 2, 2, 6, 6, 9]) },
      5,
    );
    expect(rounds.values.fast).toEqual([1, 1, 3, 4, 3]);
    const { median: reported, rounds: each } = rounds.ratio("slow", "fast");
    expect(each).toEqual([2, 2, 2, 1.5, 3]);
    expect(reported).toBe(2);
  });

  it("measures wall-clock time of actions", async () => {
    const rounds = await interleave(
      { wait: timed(() => new Promise((resolve) => setTimeout(resolve, 20))) },
      2,
    );
    for (const value of rounds.values.wait) expect(value).toBeGreaterThan(15);
  });
});
