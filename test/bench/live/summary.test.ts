import { describe, expect, test } from "vitest";
import { parseSettings } from "../../../bench/live/settings.ts";
import { errorOf, orderAgreement, rowsOf } from "../../../bench/live/summary.ts";
import type { LiveTurn } from "../../../bench/live/turn.ts";

type Figure = "meanMs" | "p98Ms";
const turn = (policy: string, live: [number, number], simulated: [number, number]): LiveTurn<Figure> => {
  const figures = ([meanMs, p98Ms]: [number, number]) => ({ meanMs, p98Ms });
  return { setting: "9", policy, wrong: 0, live: figures(live), simulated: figures(simulated) };
};

describe("rows of the live benchmark", () => {
  test("have medians of rounds, and the larger of the relative differences", () => {
    const [row] = rowsOf([
      turn("lb", [10, 20], [11, 30]),
      turn("lb", [10, 20], [11, 30]),
      turn("lb", [90, 90], [90, 90]),
    ]);
    expect(row).toEqual({
      ...{ setting: "9", policy: "lb" },
      ...{ live: { meanMs: 10, p98Ms: 20 }, simulated: { meanMs: 11, p98Ms: 30 } },
    });
    expect(errorOf(row!, ["meanMs", "p98Ms"])).toBeCloseTo(0.5);
    expect(errorOf(row!, ["meanMs"])).toBeCloseTo(0.1);
  });

  test("agree where the simulator puts policies in the order in which they came", () => {
    const right = [turn("lb", [20, 20], [10, 10]), turn("lalb", [10, 10], [9, 9])];
    expect(orderAgreement(rowsOf(right), "meanMs")).toEqual({ pairs: 1, agreeing: 1 });
    const wrong = [turn("lb", [20, 20], [10, 10]), turn("lalb", [10, 10], [11, 11])];
    expect(orderAgreement(rowsOf(wrong), "meanMs")).toEqual({ pairs: 1, agreeing: 0 });
  });

  test("say nothing of policies that came about equal, or in different settings", () => {
    const equal = [turn("lb", [20, 20], [10, 10]), turn("lalb", [19, 19], [11, 11])];
    expect(orderAgreement(rowsOf(equal), "meanMs")).toEqual({ pairs: 0, agreeing: 0 });
    const apart = [turn("lb", [20, 20], [10, 10]), { ...turn("lalb", [10, 10], [11, 11]), setting: "12" }];
    expect(orderAgreement(rowsOf(apart), "meanMs")).toEqual({ pairs: 0, agreeing: 0 });
  });
});

describe("arguments", () => {
  test("name seconds, devices and rounds", () => {
    expect(parseSettings(["--seconds", "2.5", "--devices", "4"])).toEqual({
      ...{ seconds: 2.5, devices: 4, rounds: 3, isQuick: false },
      experiments: new Set(["locality", "density", "contention"]),
    });
    expect(parseSettings(["--quick"])).toMatchObject({ isQuick: true, devices: 2 });
    expect(parseSettings(["density", "--quick"]).experiments).toEqual(new Set(["density"]));
  });

  test.each([["--devices", "1"], ["--devices", "5"], ["--rounds", "1.5"], ["--seconds"], ["fast"]])(
    "such as '%s %s' are refused",
    (...args) => {
      expect(() => parseSettings(args)).toThrow(RangeError);
    },
  );
});
