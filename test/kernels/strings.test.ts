import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeStrings, encodeElements, encodeStrings, splitElements } from "../../kernels/strings.ts";

it("strings survive and broken ones are refused without a crash", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.uint8Array(), (texts, noise) => {
      expect(decodeStrings("s", encodeStrings(texts), texts.length, "")).toEqual(texts);
      try {
        expect(splitElements("s", noise, 2)).toHaveLength(2);
      } catch (error) {
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
    }),
  );
});

it("each element is its length in bytes and its UTF-8", () => {
  const bytes = Uint8Array.of(2, 0, 0, 0, 0xc3, 0xa4, 0, 0, 0, 0, 1, 0, 0, 0, 0x62);
  expect(encodeStrings(["ä", "", "b"])).toEqual(bytes);
  // Anywhere in a buffer: `bytes` may be a view of a body.
  const view = Uint8Array.of(9, ...bytes).subarray(1);
  expect(decodeStrings("s", view, 3, "")).toEqual(["ä", "", "b"]);
});

it("a byte order mark stays", () => {
  expect(decodeStrings("s", encodeStrings(["\uFEFFa"]), 1, "")).toEqual(["\uFEFFa"]);
});

it("elements of any bytes survive, and `decodeStrings()` refuses what is no UTF-8", () => {
  const latin1 = encodeElements([Uint8Array.of(0x61), Uint8Array.of(0xe4)]);
  expect(splitElements("s", latin1, 2)).toEqual([Uint8Array.of(0x61), Uint8Array.of(0xe4)]);
  expect(() => decodeStrings("s", latin1, 2, "ask for it in binary")).toThrow(
    expect.objectContaining({
      code: "INVALID_ARGUMENT",
      message: "Cannot use tensor 's' as its element 1 is not UTF-8: ask for it in binary",
    }),
  );
});

it.each([
  ["a length past the end", Uint8Array.of(2, 0, 0, 0, 0x61), 1, "element 0 reaches past its last byte"],
  ["a length that is cut off", Uint8Array.of(0, 0, 0), 1, "element 0 reaches past its last byte"],
  ["too few elements", encodeStrings(["a"]), 2, "it has 1 elements: its shape needs 2"],
  ["too many elements", encodeStrings(["a", "b"]), 1, "it has 2 elements: its shape needs 1"],
])("refuses %s", (_, bytes, count, message) => {
  expect(() => splitElements("s", bytes, count)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
  );
});
