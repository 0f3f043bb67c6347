import { describe, expect, test } from "vitest";
import { BinaryReader, joinBody, parseHeaderLength, rawTensor } from "../../../gateway/tensors/binary.ts";
import { encodeStrings } from "../../../kernels/strings.ts";

describe("`BinaryReader`", () => {
  test("hands out tensors in order, as views", () => {
    const bytes = new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0, 9]);
    const reader = new BinaryReader(bytes);
    expect(reader.take("a", "int32", [2], 8).data).toEqual(bytes.subarray(0, 8));
    const last = reader.take("b", "uint8", [1], 1);
    expect(last.data.buffer).toBe(bytes.buffer);
    expect(() => reader.finish()).not.toThrow();
  });

  test.each([
    ["a size that is not the shape's", 4, /has 4 bytes: int32 of shape \[2\] has 8/],
    ["more than the body has", 12, /binary_data_size is 12: 10 bytes of the body are left/],
    ["a negative size", -1, /binary_data_size is -1/],
    ["a size that is no number", "8", /binary_data_size is "8"/],
  ])("refuses %s", (_, size, message) => {
    expect(() => new BinaryReader(new Uint8Array(10)).take("a", "int32", [2], size)).toThrow(message);
  });

  test("refuses bytes that belong to no input", () => {
    const reader = new BinaryReader(new Uint8Array(5));
    reader.take("a", "float32", [1], 4);
    expect(() => reader.finish()).toThrow(/1 bytes follow its last input/);
  });

  test("checks the elements of strings", () => {
    const bytes = encodeStrings(["ab", "", "ö"]);
    expect(new BinaryReader(bytes).take("a", "string", [3], bytes.byteLength).shape).toEqual([3]);
    expect(() => new BinaryReader(bytes).take("a", "string", [2], bytes.byteLength)).toThrow(/3 elements/);
    expect(() => new BinaryReader(bytes).take("a", "string", [3], bytes.byteLength - 1)).toThrow(
      /past its last byte/,
    );
  });
});

test("`parseHeaderLength()` takes lengths within the body and nothing else", () => {
  expect(parseHeaderLength("0", 10)).toBe(0);
  expect(parseHeaderLength("10", 10)).toBe(10);
  for (const text of ["11", "99999999999", "99999999999999999999", "-1", "1.5", "0x5", "", " 5"]) {
    expect(() => parseHeaderLength(text, 10)).toThrow(/Inference-Header-Content-Length is/);
  }
});

test("`joinBody()` puts tensors behind the JSON and counts bytes, not characters", () => {
  const { body, jsonBytes } = joinBody('{"ü":1}', [new Uint8Array([1, 2]), new Uint8Array([3])]);
  expect(jsonBytes).toBe(8);
  expect(new TextDecoder().decode(body.subarray(0, jsonBytes))).toBe('{"ü":1}');
  expect([...body.subarray(jsonBytes)]).toEqual([1, 2, 3]);
});

describe("`rawTensor()`", () => {
  const input = (shape: Array<number | string>) => ({ name: "x", dataType: "float32" as const, shape });

  test("finds the one free dimension", () => {
    expect(rawTensor(input(["n", 3]), new Uint8Array(24)).shape).toEqual([2, 3]);
    expect(rawTensor(input([2, 3]), new Uint8Array(24)).shape).toEqual([2, 3]);
  });

  test("takes a string whole", () => {
    const tensor = rawTensor(
      { name: "x", dataType: "string", shape: ["n"] },
      new TextEncoder().encode("hello"),
    );
    expect(tensor.shape).toEqual([1]);
    expect(tensor.data).toEqual(encodeStrings(["hello"]));
  });

  test.each([
    [["n", "m"], 24, /2 free dimensions: state the shape/],
    [["n", 5], 24, /has 6 elements/],
    [[2, 2], 24, /has 6 elements/],
    [["n"], 23, /23 bytes: elements of float32 have 4 each/],
    [["n", 0], 24, /has 6 elements/],
  ] as Array<[Array<number | string>, number, RegExp]>)(
    "refuses %j for %i bytes",
    (shape, bytes, message) => {
      expect(() => rawTensor(input(shape), new Uint8Array(bytes))).toThrow(message);
    },
  );
});
