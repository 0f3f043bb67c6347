import fc from "fast-check";
import { expect, it } from "vitest";
import { type Popularity, popularityShares } from "../../../bench/traces/popularity.ts";

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);

it("shares descend and are 1 in all", () => {
  const anyLaw = fc.oneof(
    fc.record({ type: fc.constant("zipf" as const), exponent: fc.double({ min: 0, max: 3, noNaN: true }) }),
    fc.constant<Popularity>({ type: "azure2019" }),
  );
  fc.assert(
    fc.property(anyLaw, fc.integer({ min: 1, max: 2_000 }), (law, functions) => {
      const shares = popularityShares(law, functions);
      expect(shares.length).toBe(functions);
      expect(shares.every((share, i) => share > 0 && share <= (shares[i - 1] ?? 1))).toBe(true);
      expect(sum(shares)).toBeCloseTo(1, 9);
    }),
  );
});

it("Zipf's law gives the n-th function n^-exponent of the first one's calls", () => {
  const shares = popularityShares({ type: "zipf", exponent: 1.5 }, 100);
  expect(shares[3]! / shares[0]!).toBeCloseTo(1 / 8, 9);
  expect(shares[99]! / shares[0]!).toBeCloseTo(1 / 1000, 9);
  const flat = popularityShares({ type: "zipf", exponent: 0 }, 100);
  expect(flat[99]).toBeCloseTo(0.01, 9);
});

it("as on Azure, 18.6 % of the functions have 99.6 % of the calls, and rates span seven orders of magnitude", () => {
  const shares = popularityShares({ type: "azure2019" }, 10_000);
  expect(sum(shares.subarray(0, 1_860))).toBeCloseTo(0.996, 3);
  expect(Math.log10(shares[0]! / shares.at(-1)!)).toBeCloseTo(7.2, 1);
  // One call a minute against one an hour.
  expect(shares[1_860]! / shares[5_500]!).toBeGreaterThan(59);
  expect(shares[1_860]! / shares[5_500]!).toBeLessThan(61);
});
