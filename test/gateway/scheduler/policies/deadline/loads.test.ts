import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** Devices on one bus, which brings in a byte a millisecond. */
function withDevices(...ids: readonly string[]): Stage {
  const stage = new Stage(deadline);
  for (const id of ids) stage.device(id, { bus: "shared" });
  stage.function("large", { weightBytes: 60 }, { loadMs: 60 });
  for (const id of ["f", "g"]) stage.function(id);
  return stage;
}

describe("loads of a device", () => {
  it("set out one after another, those due first", () => {
    const stage = withDevices("a");
    stage.call("large");
    stage.call("f", { deadline: 1_000 });
    stage.call("g", { at: 30, deadline: 500 });
    stage.until(1_000);
    expect(stage.runs).toEqual(["large@a!", "g@a!", "f@a!"]);
    expect(stage.runTimes).toEqual([0, 60, 70]);
  });

  it("set out when the one before should have ended, where the device tells so only later", () => {
    const stage = withDevices("a");
    stage.function("late to tell", { weightBytes: 20 }, { loadMs: 500 });
    stage.call("late to tell");
    stage.call("f");
    stage.until(1_000);
    expect(stage.runTimes).toEqual([0, 20]);
  });
});

describe("weights that must come in", () => {
  it("go beside a long load, not behind it", () => {
    for (const device of ["a", "b"]) {
      const stage = withDevices("a", "b");
      stage.call("large", { device });
      stage.call("f");
      expect(stage.runs.at(-1)).toBe(device === "a" ? "f@b!" : "f@a!");
    }
  });

  it("are taken over by a device that comes up while they wait for a long load", () => {
    const stage = withDevices("a");
    stage.call("large");
    stage.call("f");
    expect(stage.runs).toEqual(["large@a!"]);
    stage.device("b", { bus: "shared" });
    expect(stage.runs).toEqual(["large@a!", "f@b!"]);
  });
});

describe("a device that copies and computes with the same processors", () => {
  const withSoftware = () => {
    const stage = new Stage(deadline);
    stage.device("a", { hasCopyEngine: false, budgetBytes: 20 });
    for (const id of ["f", "g", "h"]) stage.function(id);
    stage.call("f");
    stage.until(30);
    return stage;
  };

  it("loads when it has a place for a run, not beside one", () => {
    const stage = withSoftware();
    stage.call("f");
    stage.call("g", { deadline: 1_000 });
    expect(stage.runTimes).toEqual([0, 30]);
    stage.until(100);
    expect(stage.runs).toEqual(["f@a!", "f@a", "g@a!"]);
    expect(stage.runTimes).toEqual([0, 30, 40]);
  });

  it("has what it holds run before what must come in, where both are due at the same time", () => {
    const stage = withSoftware();
    stage.call("f");
    // Nobody leaves for h while f's second call can go first.
    stage.call("h");
    stage.call("f", { at: 35 });
    stage.until(200);
    expect(stage.runs).toEqual(["f@a!", "f@a", "f@a", "h@a!"]);
  });

  it("does not let those wait for ever who must come in", () => {
    const stage = withSoftware();
    stage.call("f");
    stage.call("g");
    // More than the device can do.
    for (let at = 30; at < 1_000; at += 8) stage.call("f", { at });
    stage.until(2_000);
    const waited = stage.runTimes[stage.runs.indexOf("g@a!")]! - 30;
    // Due after 8 runs and 16 loads; hits that came more than 8 runs before that go first, and take 10 ms of every 8.
    expect(waited).toBeGreaterThan(16 * 10);
    expect(waited).toBeLessThan((8 * 10 + 16 * 10) * (10 / 8));
  });
});
