import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeJson } from "../../../gateway/tensors/json-decode.ts";
import { encodeJson } from "../../../gateway/tensors/json-encode.ts";
import { parseJson } from "../../../gateway/tensors/json-text.ts";
import { type DataType, elementBytes, elementCount } from "../../../kernels/tensor.ts";

const shapes = fc.array(fc.nat(4), { maxLength: 4 });
const fixedTypes = (Object.keys(elementBytes) as DataType[]).filter(
  (dataType) => dataType !== "string" && dataType !== "float16",
);

/** Bytes that JSON must bring back as they are: booleans are 0 or 1, NaN has one form, zero no sign. */
function canonical(dataType: DataType, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (dataType === "bool") return copy.map((byte) => byte & 1);
  const view =
    dataType === "float32"
      ? new Float32Array(copy.buffer)
      : dataType === "float64"
        ? new Float64Array(copy.buffer)
        : [];
  view.forEach((value, i) => {
    if (Number.isNaN(value)) view[i] = Number.NaN;
    if (value === 0) view[i] = 0;
  });
  return copy;
}

describe("tensors as JSON", () => {
  test.each(["flat", "nested"] as const)("%s data of every type comes back byte for byte", (layout) => {
    const tensors = fc.constantFrom(...fixedTypes).chain((dataType) =>
      shapes.chain((shape) => {
        const length = elementCount(shape) * elementBytes[dataType];
        return fc
          .uint8Array({ minLength: length, maxLength: length })
          .map((bytes) => ({ dataType, shape, bytes }));
      }),
    );
    fc.assert(
      fc.property(tensors, ({ dataType, shape, bytes }) => {
        const data = canonical(dataType, bytes);
        const text = encodeJson("y", { dataType, shape, data }, layout);
        const value = parseJson(text, { exactIntegers: true });
        const list = Array.isArray(value) ? value : [value];
        expect(decodeJson("x", dataType, shape, list)).toEqual(data);
      }),
      { numRuns: 300 },
    );
  });

  test("strings of any text come back", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), (texts) => {
        const data = decodeJson("x", "string", [texts.length], texts);
        expect(
          JSON.parse(encodeJson("y", { dataType: "string", shape: [texts.length], data }, "flat")),
        ).toEqual(texts);
      }),
    );
  });

  test("the text is that of `JSON.stringify` for the nested lists", () => {
    const data = new Uint8Array(new Int16Array([1, -2, 3, 4, 5, 6]).buffer);
    expect(encodeJson("y", { dataType: "int16", shape: [2, 3], data }, "nested")).toBe("[[1,-2,3],[4,5,6]]");
    expect(encodeJson("y", { dataType: "int16", shape: [2, 3], data }, "flat")).toBe("[1,-2,3,4,5,6]");
    expect(encodeJson("y", { dataType: "int16", shape: [], data: data.subarray(0, 2) }, "nested")).toBe("1");
  });

  test("bytes at an odd offset are read all the same", () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(new Float32Array([1.5, 2.5]).buffer), 1);
    const tensor = { dataType: "float32", shape: [2], data: bytes.subarray(1) } as const;
    expect(encodeJson("y", tensor, "flat")).toBe("[1.5,2.5]");
  });

  test("numbers that JSON lacks travel as strings", () => {
    const data = decodeJson("x", "float32", [4], ["NaN", "Infinity", "-Infinity", 1]);
    expect([...new Float32Array(data.buffer)]).toEqual([Number.NaN, Infinity, -Infinity, 1]);
    expect(encodeJson("y", { dataType: "float32", shape: [4], data }, "flat")).toBe(
      '["NaN","Infinity","-Infinity",1]',
    );
  });
});

describe("64-bit integers", () => {
  const decode = (text: string, dataType: DataType = "int64") =>
    new BigInt64Array(decodeJson("x", dataType, [1], parseJson(text, { exactIntegers: true })).buffer)[0];

  test("keep all digits, as numbers and as strings", () => {
    expect(decode("[9007199254740993]")).toBe(9007199254740993n);
    expect(decode('["-9223372036854775808"]')).toBe(-(2n ** 63n));
    expect(decode("[42]")).toBe(42n);
  });

  test("are refused when they do not fit, naming the position", () => {
    expect(() => decode("[9223372036854775808]")).toThrow(/element 0 is 9223372036854775808: int64 takes/);
    expect(() => decode("[-1]", "uint64")).toThrow(
      /uint64 takes whole numbers from 0 to 18446744073709551615/,
    );
    expect(() => decodeJson("x", "int64", [1], [2 ** 53])).toThrow(/beyond what a JSON number holds exactly/);
  });
});

describe("`decodeJson()` refuses", () => {
  const cases: Array<[string, DataType, number[], unknown, RegExp]> = [
    [
      "a number out of range",
      "uint8",
      [3],
      [1, 2, 300],
      /input 'x' as its element 2 is 300: uint8 takes whole numbers from 0 to 255/,
    ],
    ["a fraction for an integer", "int32", [1], [1.5], /element 0 is 1.5/],
    ["a string for a number", "float32", [1], ["1"], /element 0 is "1": expected a number/],
    ["null for a number", "float32", [1], [null], /element 0 is null/],
    ["a number for a string", "string", [1], [5], /expected a string/],
    ["2 for a boolean", "bool", [1], [2], /expected true or false/],
    ["too few elements", "float32", [2, 2], [1, 2, 3], /has 3 elements: its shape \[2,2\] needs 4/],
    ["ragged lists", "float32", [2, 2], [[1, 2, 3], [4]], /level 2 of its data has 3 elements/],
    ["lists beside numbers", "float32", [2, 2], [[1, 2], 3], /mixes lists and values/],
    ["lists deeper than the shape", "float32", [1], [[1]], /nests deeper/],
    ["data that is no list", "float32", [1], 5, /data is no list/],
    ["FP16", "float16", [1], [1], /FP16, which has no JSON form: send its data in binary/],
  ];
  test.each(cases)("%s", (_, dataType, shape, data, message) => {
    expect(() => decodeJson("x", dataType, shape, data)).toThrow(message);
  });

  test("a huge shape with little data before it allocates anything", () => {
    const rows = Array.from({ length: 1000 }, () => []);
    expect(() => decodeJson("x", "float64", [1000, 1000, 1000, 1000], rows)).toThrow(/needs/);
    expect(() => decodeJson("x", "float64", [2, 2 ** 40], [[1], [2]])).toThrow(/needs 1099511627776/);
  });

  test("nothing that is right", () => {
    expect(
      decodeJson(
        "x",
        "uint8",
        [2, 2],
        [
          [1, 2],
          [3, 255],
        ],
      ),
    ).toEqual(new Uint8Array([1, 2, 3, 255]));
    expect(decodeJson("x", "bool", [4], [true, false, 1, 0])).toEqual(new Uint8Array([1, 0, 1, 0]));
    expect(
      decodeJson(
        "x",
        "float32",
        [2, 2, 1],
        [
          [1, 2],
          [3, 4],
        ],
      ).byteLength,
    ).toBe(16);
    expect(decodeJson("x", "float32", [2, 0], [[], []]).byteLength).toBe(0);
  });
});

describe("`parseJson()`", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

  test("takes 100 levels and refuses 101, whatever stands in strings", () => {
    expect(parseJson(nested(100))).toBeInstanceOf(Array);
    expect(() => parseJson(nested(101))).toThrow(/nests deeper than 100 levels/);
    const brackets = "[".repeat(500);
    expect(parseJson(JSON.stringify({ a: brackets, b: `"\\${brackets}` }))).toEqual({
      a: brackets,
      b: `"\\${brackets}`,
    });
  });

  test("refuses 250,000 levels without overflowing", () => {
    expect(() => parseJson(nested(250_000))).toThrow(/nests deeper/);
    expect(() => parseJson('{"a":'.repeat(250_000))).toThrow(/nests deeper/);
  });

  test("refuses what is no JSON or no UTF-8", () => {
    expect(() => parseJson('{"a":')).toThrow(/not JSON/);
    expect(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]))).toThrow(/not UTF-8/);
  });

  test("finds the same depth as JSON itself does", () => {
    const depth = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.integer({ min: 92, max: 100 }), (text, around) => {
        const whole = "[".repeat(around) + text + "]".repeat(around);
        const isDeep = around + depth(JSON.parse(text)) > 100;
        if (isDeep) expect(() => parseJson(whole)).toThrow(/nests deeper/);
        else expect(parseJson(whole)).toBeInstanceOf(Array);
      }),
    );
  });
});
