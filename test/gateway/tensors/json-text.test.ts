import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonLimits, parseJson } from "../../../gateway/tensors/json-text.ts";

const tooLarge = expect.objectContaining({ code: "PAYLOAD_TOO_LARGE" });
const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });

/** `count` times the same, in an array. */
const arrayOf = (part: string, count: number) => `[${Array<string>(count).fill(part).join(",")}]`;

describe("parseJson()", () => {
  it("gives what JSON.parse gives", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ["arrays", "[]"],
    ["objects", "{}"],
    ["strings", '"["'],
    ["fields", '{"a":1}'],
  ])("refuses too many %s, wherever they are, and takes what is just within the limit", (_, part) => {
    const each = part === '{"a":1}' ? 2 : 1;
    const fitting = Math.floor((jsonLimits.values - 1) / each);
    expect(parseJson(arrayOf(part, fitting))).toHaveLength(fitting);
    expect(() => parseJson(arrayOf(part, fitting + 1))).toThrow(tooLarge);
    expect(() => parseJson(`{"deep":[[${arrayOf(part, fitting + 1)}]]}`)).toThrow(tooLarge);
  });

  it("takes any number of numbers, and brackets inside strings", () => {
    expect(parseJson(arrayOf("0.5", 3_000_000))).toHaveLength(3_000_000);
    const text = "[{".repeat(jsonLimits.values);
    expect(parseJson(JSON.stringify([text]))).toEqual([text]);
  });
});

describe("parseJson() with exact integers", () => {
  const exactly = (text: string) => parseJson(text, { exactIntegers: true });

  it("gives integers beyond 2^53 as bigint, wherever they are, and all else as JSON.parse does", () => {
    const wide = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n });
    const isExact = (value: bigint) => value >= -(2n ** 53n) + 1n && value <= 2n ** 53n - 1n;
    const fraction = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const space = fc.constantFrom("", " ", "\n\t");
    fc.assert(
      fc.property(fc.array(fc.tuple(wide, fc.string(), fraction, space)), (rows) => {
        const text = rows.map(
          ([integer, string, double, s]) =>
            `{"i":${s}${integer}${s},"s":${JSON.stringify(string)},"d":${JSON.stringify(double)},"n":[${s}${integer}${s},null,true]}`,
        );
        const expected = rows.map(([integer, string, double]) => {
          const i = isExact(integer) ? Number(integer) : integer;
          return { i, s: string, d: JSON.parse(JSON.stringify(double)), n: [i, null, true] };
        });
        expect(exactly(`[${text.join()}]`)).toEqual(expected);
      }),
    );
  });

  it.each([
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    ["9007199254740991", 9007199254740991],
    ["0.1234567890123456", 0.1234567890123456],
    ["1.5e-1234567890123456789", 0],
    ["1000000000000000000e1", 1e19],
    ["1000000000000000000.5", 1e18],
    ['"12345678901234567890"', "12345678901234567890"],
    ['"\\\\\\"12345678901234567890"', '\\"12345678901234567890'],
  ])("%s", (text, expected) => {
    expect(exactly(text)).toBe(expected);
    expect(exactly(` { "a" : [ ${text} ] } `)).toEqual({ a: [expected] });
  });

  it("leaves names of fields alone, `__proto__` among them", () => {
    const value = exactly('{"12345678901234567890":1,"__proto__":12345678901234567890}');
    expect(Object.entries(value as object)).toEqual([
      ["12345678901234567890", 1],
      ["__proto__", 12345678901234567890n],
    ]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each(["01234567890123456789", "--1234567890123456789", "1234567890123456789x", "[1234567890123456789"])(
    "refuses what is no JSON: %s",
    (text) => {
      expect(() => exactly(text)).toThrow(invalid);
    },
  );

  it("refuses too many of them", () => {
    expect(() => exactly(arrayOf("12345678901234567890", jsonLimits.values + 1))).toThrow(tooLarge);
  });
});
