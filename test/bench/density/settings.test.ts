import { describe, expect, it } from "vitest";
import { parseSettings } from "../../../bench/density/settings.ts";

describe("parseSettings()", () => {
  it("takes all policies, multiples and loads where none is named", () => {
    expect(parseSettings([])).toMatchObject({
      policies: ["lru", "lfu", "torpor", "cost"],
      multiples: [1, 2, 5, 10, 30],
      loads: ["trace", "skewed"],
      functions: 203,
      hasOrt: true,
    });
  });

  it("takes what is named, and options with their numbers", () => {
    const args = ["cost", "1.5x", "skewed", "--seconds", "2", "--functions", "12", "--no-ort"];
    expect(parseSettings(args)).toMatchObject({
      ...{ policies: ["cost"], multiples: [1.5], loads: ["skewed"], seconds: 2, functions: 12 },
      hasOrt: false,
    });
  });

  it("refuses what it does not know, an option without a number, and more room than there is to fill", () => {
    for (const args of [["fifo"], ["--seconds"], ["--seconds", "many"], ["0.5x"]])
      expect(() => parseSettings(args)).toThrow(RangeError);
  });
});
