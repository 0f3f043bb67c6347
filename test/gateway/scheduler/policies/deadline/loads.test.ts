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
