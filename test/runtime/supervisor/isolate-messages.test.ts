/** What of a handler's process is parsed at all. */
import * as v from "valibot";
import { expect, test } from "vitest";
import { heldIds, note, runParams } from "../../../runtime/supervisor/isolate-messages.ts";

const fits = (schema: v.GenericSchema, value: unknown) => v.safeParse(schema, value).success;
const line = (fields: unknown) => ({ type: "log", level: "info", message: "x", fields });

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

test("fields of a line are small and shallow", () => {
  expect(fits(note, line({ a: 1, b: { c: ["text", null, true] } }))).toBe(true);
  expect(fits(note, line({ a: nested(30) }))).toBe(true);
  expect(fits(note, line({ a: nested(40) }))).toBe(false);
  expect(fits(note, line({ a: nested(100_000) }))).toBe(false);
  expect(fits(note, line({ a: "x".repeat(100_000) }))).toBe(false);
  expect(fits(note, line({ ["x".repeat(100_000)]: 1 }))).toBe(false);
  expect(fits(note, line(Array(10)))).toBe(false);
  expect(fits(note, { type: "log", level: "info", message: "x".repeat(100_000) })).toBe(false);
});

test("a line with a key that reaches for prototypes changes none", () => {
  const fields = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
  expect(fits(note, line(fields))).toBe(true);
  expect(Reflect.get({}, "polluted")).toBeUndefined();
});

test("lists of runs are looked at only where they are short", () => {
  const input = { name: "x", dataType: "float32", shape: [2] };
  const params = (inputs: unknown, parameters: unknown = {}) => ({ use: "f", inputs, parameters });
  expect(fits(runParams, params([input, { ...input, held: 1 }], { n: 2 }))).toBe(true);
  expect(fits(runParams, params(Array(257).fill(input)))).toBe(false);
  expect(fits(runParams, params({ length: 1 }))).toBe(false);
  expect(fits(runParams, params([{ ...input, shape: Array(17).fill(1) }]))).toBe(false);
  expect(fits(runParams, params([{ ...input, held: -1 }]))).toBe(false);
  const many = Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`p${i}`, i]));
  expect(fits(runParams, params([input], many))).toBe(false);
  expect(fits(runParams, params([input], { n: "2" }))).toBe(false);
  expect(
    fits(
      heldIds,
      Array.from({ length: 1 << 16 }, (_, i) => i),
    ),
  ).toBe(true);
  expect(
    fits(
      heldIds,
      Array.from({ length: (1 << 16) + 1 }, (_, i) => i),
    ),
  ).toBe(false);
});
