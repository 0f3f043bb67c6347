import { describe, expect, test } from "vitest";
import { parseSettings } from "../../../bench/live/settings.ts";
import { differencesOf, errorsOf, orderAgreement } from "../../../bench/live/summary.ts";
import type { LiveTurn } from "../../../bench/live/turn.ts";

type Figure = "meanMs" | "p98Ms";
const turn = (policy: string, live: [number, number], simulated: [number, number]): LiveTurn<Figure> => {
  const figures = ([meanMs, p98Ms]: [number, number]) => ({ meanMs, p98Ms });
  return { setting: "9", policy, again: false, wrong: 0, live: figures(live), simulated: figures(simulated) };
};

describe("the simulator", () => {
  test("is off by a part of what happened", () => {
    const [above, below] = errorsOf(
      [turn("lb", [10, 20], [11, 30]), turn("lalb", [10, 20], [8, 20])],
      "meanMs",
    );
    expect(above).toBeCloseTo(0.1);
    expect(below).toBeCloseTo(-0.2);
  });

  test("agrees where it puts policies in the order in which they came", () => {
    const right = [turn("lb", [20, 20], [10, 10]), turn("lalb", [10, 10], [9, 9])];
    expect(orderAgreement(right, "meanMs")).toEqual({ pairs: 1, agreeing: 1 });
    const wrong = [turn("lb", [20, 20], [10, 10]), turn("lalb", [10, 10], [11, 11])];
    expect(orderAgreement(wrong, "meanMs")).toEqual({ pairs: 1, agreeing: 0 });
  });

  test("says nothing of policies that came about equal, or in different settings", () => {
    const equal = [turn("lb", [20, 20], [10, 10]), turn("lalb", [19, 19], [11, 11])];
    expect(orderAgreement(equal, "meanMs")).toEqual({ pairs: 0, agreeing: 0 });
    const apart = [turn("lb", [20, 20], [10, 10]), { ...turn("lalb", [10, 10], [11, 11]), setting: "12" }];
    expect(orderAgreement(apart, "meanMs")).toEqual({ pairs: 0, agreeing: 0 });
  });
});

describe("a policy that is entered twice", () => {
  const again = { ...turn("lb", [12, 15], [11, 11]), again: true };

  test("differs from itself by a part of what happened first", () => {
    const turns = [
      turn("lalb", [1, 1], [1, 1]),
      turn("lb", [10, 20], [11, 11]),
      { ...turn("lb", [1, 1], [1, 1]), setting: "12" },
      again,
    ];
    expect(differencesOf(turns, "meanMs")).toEqual([expect.closeTo(0.2)]);
    expect(differencesOf(turns, "p98Ms")).toEqual([expect.closeTo(-0.25)]);
    expect(differencesOf(turns.slice(0, 3), "meanMs")).toEqual([]);
  });

  test("is in no order with itself", () => {
    expect(orderAgreement([turn("lb", [20, 20], [10, 10]), again], "meanMs")).toEqual({
      ...{ pairs: 0, agreeing: 0 },
    });
  });
});

describe("arguments", () => {
  test("name seconds and devices", () => {
    expect(parseSettings(["--seconds", "2.5", "--devices", "4"])).toEqual({
      ...{ seconds: 2.5, devices: 4, isQuick: false, isTwice: false },
      experiments: new Set(["locality", "density", "contention"]),
    });
    expect(parseSettings(["--quick"])).toMatchObject({ isQuick: true, devices: 2 });
    expect(parseSettings(["--twice"])).toMatchObject({ isQuick: false, isTwice: true });
    expect(parseSettings(["density", "--quick"]).experiments).toEqual(new Set(["density"]));
  });

  test.each([["--devices", "1"], ["--devices", "5"], ["--devices", "2.5"], ["--seconds"], ["fast"]])(
    "such as '%s %s' are refused",
    (...args) => {
      expect(() => parseSettings(args)).toThrow(RangeError);
    },
  );
});
