import { describe, expect, it } from "vitest";
import type { DeviceSpec } from "../../../../../gateway/scheduler/core/specs.ts";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** One device with the weights of functions whose runs take 1 and 30 ms. */
function stageWith(device: Partial<DeviceSpec>): Stage {
  const stage = new Stage(deadline);
  stage.device("a", device);
  for (const [id, runMs] of Object.entries({ short: 1, long: 30 })) {
    stage.function(id, {}, { runMs, loadMs: 1 });
    stage.hear({ type: "resident", device: "a", function: id });
  }
  return stage;
}

const ticks = (stage: Stage) => stage.done.filter(({ type }) => type === "wake");

describe("a device that is to have work ahead", () => {
  it("gets the next run so long before the one that it has ends, though nothing happens then", () => {
    const stage = stageWith({ aheadMs: 10 });
    stage.call("long");
    stage.call("long");
    stage.until(25);
    expect(stage.runTimes).toEqual([0, expect.closeTo(20, 2)]);
  });

  it("gets it where the first turns out to take longer, and no more", () => {
    const stage = stageWith({ aheadMs: 10 });
    stage.function("longer", { known: [{ class: "gpu", batch: 1, runMs: 30 }] }, { runMs: 300, loadMs: 1 });
    stage.hear({ type: "resident", device: "a", function: "longer" });
    stage.call("longer");
    for (let i = 0; i < 3; i++) stage.call("long");
    stage.until(45);
    expect(stage.runs).toEqual(["longer@a", "long@a"]);
  });

  it("is not looked at where several runs are short: one of them ends sooner", () => {
    const stage = stageWith({ aheadMs: 10 });
    for (let i = 0; i < 12; i++) stage.call("short");
    expect(stage.runTimes).toHaveLength(10);
    expect(ticks(stage)).toEqual([]);
  });
});

it("a device that is to have none gets the next run when one has ended", () => {
  const stage = stageWith({});
  stage.call("long");
  stage.call("long");
  stage.until(100);
  expect(stage.runTimes).toEqual([0, 30]);
  expect(ticks(stage)).toEqual([]);
});
