import { describe, expect, it } from "vitest";
import { lalb, lalbo3, lalbo3With } from "../../../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../../../gateway/scheduler/policies/lb.ts";
import { Stage } from "./stage.ts";

describe("lb", () => {
  it("takes devices in turn, wherever the weights are", () => {
    const stage = new Stage(lb);
    for (const id of ["a", "b"]) stage.device(id);
    stage.function("f");
    for (const at of [0, 100, 200]) stage.call("f", { at });
    stage.until(300);
    expect(stage.runs).toEqual(["f@a!", "f@b!", "f@a"]);
  });
});

describe("lalb", () => {
  /** Two requests of one function at a time, the weights of which are on one of two devices. */
  const twoAtATime = (runMs: number): Stage => {
    const stage = new Stage(lalb);
    for (const id of ["a", "b"]) stage.device(id);
    // 10 bytes at one a millisecond.
    stage.function("f", { weightBytes: 10 }, { runMs });
    stage.call("f");
    stage.until(100);
    stage.call("f");
    stage.call("f");
    stage.until(200);
    return stage;
  };

  it("waits for a busy device that holds the weights where that is sooner than loading them", () => {
    const stage = twoAtATime(9);
    expect(stage.runs).toEqual(["f@a!", "f@a", "f@a"]);
    expect(stage.runTimes).toEqual([0, 100, 109]);
  });

  it("loads them on an idle device where that is sooner", () => {
    const stage = twoAtATime(11);
    expect(stage.runs).toEqual(["f@a!", "f@a", "f@b!"]);
    expect(stage.runTimes).toEqual([0, 100, 100]);
  });

  it("counts what waits for the busy device already", () => {
    const stage = new Stage(lalb);
    for (const id of ["a", "b"]) stage.device(id);
    stage.function("f", { weightBytes: 10 }, { runMs: 4 });
    stage.call("f");
    stage.until(100);
    // The others would begin at 4, 8 and 12 there.
    for (let i = 0; i < 4; i++) stage.call("f");
    expect(stage.runs.slice(1)).toEqual(["f@a", "f@b!"]);
    stage.until(200);
    expect(stage.runs.slice(1)).toEqual(["f@a", "f@b!", "f@a", "f@a"]);
  });
});

describe("lalbo3", () => {
  const placeOfColdOne = (stage: Stage): number => {
    stage.device("a");
    stage.function("f");
    stage.function("cold");
    stage.call("f");
    stage.call("cold");
    for (let i = 0; i < 60; i++) stage.call("f");
    stage.until(2_000);
    return stage.runs.indexOf("cold@a!");
  };

  it("passes a request over 25 times for those whose weights are there, then serves it", () => {
    expect(placeOfColdOne(new Stage(lalbo3))).toBe(1 + 25);
    expect(placeOfColdOne(new Stage(lalbo3With(3)))).toBe(1 + 3);
  });

  it("is in order without it", () => {
    expect(placeOfColdOne(new Stage(lalb))).toBe(1);
  });
});
