import { describe, expect, it } from "vitest";
import { formatTable } from "../../../bench/harness/table.ts";

describe("formatTable()", () => {
  it("aligns text to the left and numbers to the right", () => {
    const table = formatTable(
      ["policy", "p50 ms", "requests"],
      [
        ["LALB", 1.23456, 12],
        ["ours, longer", 12345.6, 1_000_000],
      ],
    );
    expect(table).toBe(
      [
        "policy        p50 ms  requests",
        "------------  ------  --------",
        "LALB           1.235        12",
        "ours, longer   12346   1000000",
      ].join("\n"),
    );
  });

  it("has a head without rows, and refuses rows that do not fit", () => {
    expect(formatTable(["a", "b"], [])).toBe("a  b\n-  -");
    expect(() => formatTable(["a", "b"], [["x"]])).toThrow(RangeError);
  });
});
