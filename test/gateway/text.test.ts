import { expect, it } from "vitest";
import { formatBytes, formatError, tableLines } from "../../gateway/text.ts";

it("formatBytes() keeps three digits or so at any size", () => {
  expect([0, 1023, 1024, 123_456, 5 * 2 ** 30].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "121 KiB",
    "5.0 GiB",
  ]);
});

it("formatError() writes small numbers with an exponent", () => {
  expect([0, 1.234e-7, 0.0312, 2].map(formatError)).toEqual(["0", "1.2e-7", "0.031", "2"]);
});

it("tableLines() aligns columns and leaves no blanks at the end", () => {
  expect(
    tableLines([
      ["name", "size"],
      ["a", "1"],
      ["longer", ""],
    ]),
  ).toEqual(["name    size", "a       1", "longer"]);
});
