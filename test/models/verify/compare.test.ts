import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../kernels/tensor.ts";
import { compareTensors, isOrdinary } from "../../../models/verify/compare.ts";
import { floats, tensorOf } from "../../e2e/tensors.ts";

function agrees(actual: readonly number[], expected: readonly number[], dispatches = 1): boolean {
  const shape = [expected.length];
  const { data } = floats([actual.length], actual);
  return compareTensors(data, floats(shape, expected), dispatches).firstBad === undefined;
}

describe("compareTensors", () => {
  test("takes what is off by a few roundings, and not what is off by a thousandth", () => {
    const value = fc.float({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), (values) => {
        expect(agrees(values, values)).toBe(true);
        expect(
          agrees(
            values.map((v) => v * (1 + 1e-6)),
            values,
          ),
        ).toBe(true);
        const largest = Math.max(...values);
        expect(
          agrees(
            values.map((v) => (v === largest ? v * 1.001 : v)),
            values,
          ),
        ).toBe(false);
      }),
    );
  });

  test("measures values near zero by the largest one, since sums cancel", () => {
    expect(agrees([5e-7, 1], [0, 1])).toBe(true);
    expect(agrees([2e-6, 1], [0, 1])).toBe(false);
    expect(agrees([5e-7, 1e-3], [0, 1e-3])).toBe(false);
  });

  test("grants more the more dispatches have rounded, but not without end", () => {
    expect(agrees([5e-6, 1], [0, 1], 1)).toBe(false);
    expect(agrees([5e-6, 1], [0, 1], 50)).toBe(true);
    expect(agrees([2e-5, 1], [0, 1], 1_000_000)).toBe(false);
  });

  test("takes NaN and infinities only for themselves", () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    expect(agrees([nan, inf, -inf], [nan, inf, -inf])).toBe(true);
    for (const [actual, expected] of [
      [5, inf],
      [inf, 5],
      [inf, -inf],
      [nan, 5],
      [5, nan],
      [nan, inf],
    ] as const) {
      expect(agrees([actual], [expected])).toBe(false);
      expect(compareTensors(floats([1], [actual]).data, floats([1], [expected])).maxAbsoluteError).toBe(inf);
    }
  });

  test("takes integers only where they are equal", () => {
    const expected = tensorOf("int64", [2], [2n ** 40n, 1]);
    expect(compareTensors(expected.data.slice(), expected).firstBad).toBeUndefined();
    expect(compareTensors(tensorOf("int64", [2], [2n ** 40n + 1n, 1]).data, expected).firstBad).toBe(0);
    expect(compareTensors(tensorOf("int64", [2], [0, 1]).data, expected).firstBad).toBe(5);
  });

  test("refuses bytes of another length", () => {
    expect(compareTensors(floats([1], [1]).data, floats([2], [1, 0])).firstBad).toBe(0);
    expect(compareTensors(new Uint8Array(1), tensorOf("uint8", [2], [0, 0])).firstBad).toBe(0);
  });
});

test("isOrdinary() is false for floats with NaN or an infinity, and true for all else", () => {
  const ordinary: Tensor[] = [floats([2], [0, -3e38]), tensorOf("int32", [1], [-1]), floats([0], [])];
  for (const tensor of ordinary) expect(isOrdinary(tensor)).toBe(true);
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    expect(isOrdinary(floats([2], [1, value]))).toBe(false);
    expect(isOrdinary(tensorOf("float16", [1], [value]))).toBe(false);
  }
});
