/** Tensors in memory, and the arithmetic on what models give. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeNpy, encodeNpy } from "../../../runtime/library/npy.ts";
import { argmax, cosineSimilarity, softmax } from "../../../runtime/library/scores.ts";
import { tensor } from "../../../runtime/library/tensor.ts";
import {
  arrayTypes,
  dataTypeOf,
  type NumericType,
  toBytes,
  toTypedArray,
} from "../../../runtime/library/typed-arrays.ts";
import { damaged, expectNoOtherError } from "./damage.ts";

describe("`tensor()`", () => {
  test("takes the type from the array, and does not copy it", () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6);
    const made = tensor(data, [2, 3]);
    expect(made).toEqual({ dataType: "float32", shape: [2, 3], data });
    expect(made.data).toBe(data);
    for (const [dataType, type] of Object.entries(arrayTypes)) {
      const natural = tensor(new type(2), [2]).dataType;
      expect(natural).toBe(dataType === "bool" ? "uint8" : dataType);
    }
  });

  test("takes plain numbers as float32, or as what is stated", () => {
    expect(tensor([1.5, -2], [2])).toEqual({
      dataType: "float32",
      shape: [2],
      data: Float32Array.of(1.5, -2),
    });
    expect(tensor([1, -2], [1, 2], "int64").data).toEqual(BigInt64Array.of(1n, -2n));
    expect(tensor([1, 0], [2], "bool").data).toEqual(Uint8Array.of(1, 0));
    expect(() => tensor([1.5], [1], "int64")).toThrow("it has the element 1.5: int64 are whole numbers");
  });

  test("takes bool in bytes and float16 as bits", () => {
    expect(tensor(Uint8Array.of(1), [1], "bool").dataType).toBe("bool");
    expect(tensor(Uint16Array.of(0x3c00), [1], "float16").dataType).toBe("float16");
    expect(() => tensor(Uint8Array.of(1), [1], "int8")).toThrow("is an array of uint8: expected int8");
  });

  test("refuses shapes that do not fit, and what is no data", () => {
    const data = new Float32Array(6);
    expect(() => tensor(data, [2, 2])).toThrow("it has 6 elements: its shape [2,2] needs 4");
    expect(() => tensor(data, [-2, -3])).toThrow(/dimension -2/);
    expect(() => tensor(data, [1.5, 4])).toThrow(/dimension 1.5/);
    const others = [new DataView(new ArrayBuffer(4)), new ArrayBuffer(4), "four", null, { length: 1 }];
    for (const other of others) {
      expect(dataTypeOf(other)).toBeUndefined();
      expect(() => tensor(other as never, [1])).toThrow(/neither a typed array nor a list/);
    }
    expect(tensor(new Float32Array(0), [0, 4]).shape).toEqual([0, 4]);
    expect(tensor(new Float32Array(1), []).shape).toEqual([]);
  });
});

describe("bytes and arrays", () => {
  test("become each other", () => {
    const types = fc.constantFrom(...(Object.keys(arrayTypes) as NumericType[]));
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 64 }), (dataType, bytes) => {
        const whole = new Uint8Array(bytes.length * 8).map((_, i) => bytes[i % bytes.length]!);
        // Views that do not begin on a multiple of the element are copied.
        const shifted = new Uint8Array([0, ...whole]).subarray(1);
        expect(toBytes(toTypedArray(dataType, shifted))).toEqual(whole);
      }),
    );
  });

  test("fail where there are no whole elements, or no numbers", () => {
    expect(() => toTypedArray("float32", new Uint8Array(6))).toThrow("6 bytes: elements of float32 have 4");
    expect(() => toTypedArray("string", new Uint8Array(6))).toThrow(/strings/);
    expect(toTypedArray("int16", new Uint8Array([1, 0, 2, 0]))).toEqual(Int16Array.of(1, 2));
  });
});

describe("scores", () => {
  test("`argmax()` finds the first of the largest, whatever NaN is there", () => {
    expect(argmax([1, 5, 5, 2])).toBe(1);
    expect(argmax(Float32Array.of(Number.NaN, -3, Number.NaN, -2))).toBe(3);
    expect(argmax([Number.NaN])).toBe(0);
    expect(() => argmax([])).toThrow("Cannot compute argmax as there are no values");
  });

  test("`softmax()` gives probabilities in the order of the scores", () => {
    expect([...softmax([0, Math.log(3)])]).toEqual([0.25, 0.75]);
    expect([...softmax([1000, 1000])]).toEqual([0.5, 0.5]);
    expect([...softmax([0, Number.NEGATIVE_INFINITY])]).toEqual([1, 0]);
    expect(softmax([])).toHaveLength(0);
    const scores = fc.array(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(scores, (values) => {
        const result = softmax(values);
        expect(result.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
        expect(result[argmax(values)]).toBe(Math.max(...result));
      }),
    );
  });

  test("`cosineSimilarity()` measures the angle", () => {
    expect(cosineSimilarity([1, 0], [0, 2])).toBe(0);
    expect(cosineSimilarity([1, 2], [-2, -4])).toBeCloseTo(-1, 12);
    expect(cosineSimilarity([3, 0], Float32Array.of(1, 1))).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosineSimilarity([0, 0], [1, 1])).toBe(0);
    expect(() => cosineSimilarity([1], [1, 2])).toThrow("its vectors have 1 and 2 elements");
  });
});

describe(".npy files", () => {
  test("come back as they were, in every type", () => {
    for (const dataType of Object.keys(arrayTypes) as NumericType[]) {
      const data = toTypedArray(
        dataType,
        new Uint8Array(48).map((_, i) => i % 2),
      );
      const value = tensor(data, [2, data.length / 2], dataType);
      expect(decodeNpy(encodeNpy(value))).toEqual(value);
    }
  });

  test("that are damaged are refused and nothing else", async () => {
    const file = encodeNpy(tensor([1, 2, 3, 4, 5, 6], [2, 3]));
    await fc.assert(
      fc.asyncProperty(damaged(file), (one) =>
        expectNoOtherError(() => decodeNpy(one), /^INVALID_ARGUMENT$/),
      ),
      { numRuns: 500 },
    );
  });
});
