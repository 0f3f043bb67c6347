import { describe, expect, test } from "vitest";
import type { LocalityTurn } from "../../../bench/live/locality.ts";
import { parseSettings } from "../../../bench/live/settings.ts";
import { localityRows, medianRows, orderAgreement } from "../../../bench/live/summary.ts";

const figures = (meanMs: number, p98Ms: number) => ({
  ...{ meanMs, p98Ms, p99Ms: p98Ms, missRatio: 0, falseMissRatio: 0 },
});
const turn = (policy: string, live: [number, number], simulated: [number, number]): LocalityTurn => ({
  ...{ setting: "9", policy, callsPerSecond: 1, calls: 1, wrong: 0 },
  ...{ live: figures(...live), simulated: figures(...simulated) },
});

describe("rows of the live benchmark", () => {
  test("have medians of rounds, and the larger of the relative differences", () => {
    const [row] = localityRows([
      turn("lb", [10, 20], [11, 30]),
      turn("lb", [10, 20], [11, 30]),
      turn("lb", [90, 90], [90, 90]),
    ]);
    expect(row).toMatchObject({ policy: "lb", live: { meanMs: 10 }, simulated: { p98Ms: 30 }, error: 0.5 });
  });

  test("agree where the simulator puts policies in the order in which they came", () => {
    const right = [turn("lb", [20, 20], [10, 10]), turn("lalb", [10, 10], [9, 9])];
    expect(orderAgreement(localityRows(right))).toBe(1);
    const wrong = [turn("lb", [20, 20], [10, 10]), turn("lalb", [10, 10], [11, 11])];
    expect(orderAgreement(localityRows(wrong))).toBe(0);
  });

  test("of any kind are medians by key", () => {
    const values = [
      { policy: "a", ms: 1 },
      { policy: "a", ms: 3 },
      { policy: "b", ms: 5 },
    ];
    const rows = medianRows(values, ({ policy }) => policy, ["ms"]);
    expect([...rows]).toEqual([
      ["a", { ms: 2 }],
      ["b", { ms: 5 }],
    ]);
  });
});

describe("arguments", () => {
  test("name seconds, devices and rounds", () => {
    expect(parseSettings(["--seconds", "2.5", "--devices", "4"])).toEqual({
      ...{ seconds: 2.5, devices: 4, rounds: 2, isQuick: false },
    });
    expect(parseSettings(["--quick"])).toMatchObject({ isQuick: true, rounds: 1 });
  });

  test.each([["--devices", "1"], ["--devices", "5"], ["--rounds", "1.5"], ["--seconds"], ["fast"]])(
    "such as '%s %s' are refused",
    (...args) => {
      expect(() => parseSettings(args)).toThrow(RangeError);
    },
  );
});
