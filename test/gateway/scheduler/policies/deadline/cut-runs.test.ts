import { describe, expect, it } from "vitest";
import type { DeviceSpec, FunctionSpec } from "../../../../../gateway/scheduler/core/specs.ts";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { lb } from "../../../../../gateway/scheduler/policies/lb.ts";
import { Stage } from "../stage.ts";

const cutting: Partial<DeviceSpec> = { cutsFromMs: 15, aheadMs: 10 };

/** One device with the weights of a function whose runs take a second, and others of 1 and 200 ms. */
function stageWith(
  device: Partial<DeviceSpec> = cutting,
  long: Partial<FunctionSpec> = { isDivisible: true },
) {
  const stage = new Stage(deadline);
  stage.device("a", device);
  const function_ = (id: string, runMs: number, spec: Partial<FunctionSpec> = {}) => {
    stage.function(id, { ...spec, known: [{ class: "gpu", batch: 1, runMs }] }, { runMs, loadMs: 1 });
    stage.hear({ type: "resident", device: "a", function: id });
  };
  function_("long", 1_000, long);
  function_("middle", 200, { isDivisible: true });
  function_("short", 1);
  return stage;
}

describe("a run that its device cuts", () => {
  it("lets in what is due before it, as much as the device is to have ahead", () => {
    const stage = stageWith();
    stage.call("long");
    for (let i = 0; i < 30; i++) stage.call("short", { at: 100 });
    stage.until(100);
    // Ten of a millisecond each; the others when some of those have ended.
    expect(stage.runTimes.filter((at) => at === 100)).toHaveLength(10);
    stage.until(200);
    expect(stage.runs.filter((run) => run === "short@a")).toHaveLength(30);
    expect(stage.runTimes.at(-1)).toBeLessThan(200);
  });

  it("is waited for, but for what the device is to have ahead, where it cuts nothing, or cannot cut it", () => {
    for (const stage of [stageWith({ aheadMs: 10 }), stageWith(cutting, {})]) {
      stage.call("long");
      stage.call("short", { at: 100 });
      stage.until(2_000);
      expect(stage.runTimes).toEqual([0, expect.closeTo(990, 2)]);
    }
  });

  it("is waited for by what is due after it", () => {
    const stage = stageWith();
    stage.call("long", { deadline: 1_100 });
    stage.call("short", { at: 100, deadline: 1_200 });
    stage.call("short", { at: 100, deadline: 1_050 });
    stage.until(3_000);
    expect(stage.done.flatMap((one) => (one.type === "run" ? [one.requests[0]] : []))).toEqual([1, 3, 2]);
    expect(stage.runTimes).toEqual([0, 100, expect.closeTo(991, 2)]);
  });

  it("takes turns with others that are cut and due sooner, with a few of them", () => {
    const stage = stageWith();
    stage.call("long");
    for (let i = 0; i < 3; i++) stage.call("middle", { at: 100 });
    stage.until(100);
    expect(stage.runs).toEqual(["long@a", "middle@a"]);
    // The next of them is due later than the first, and goes when that has ended.
    stage.until(1_900);
    expect(stage.runTimes).toEqual([0, 100, 300, 500]);
  });

  it("makes nobody late in the eyes of who asks whether there is time", () => {
    const stage = stageWith();
    stage.call("long");
    stage.call("short", { at: 100, deadline: 130, refuseLate: true });
    stage.call("middle", { at: 100, deadline: 250, refuseLate: true });
    stage.until(3_000);
    // 200 ms of work are not done in 150, whoever lets it in.
    expect(stage.rejections).toHaveLength(1);
    expect(stage.rejections[0]).toMatch(/^3: an answer is expected in/);
    expect(stage.runTimes).toEqual([0, 100]);
  });

  it("has lost the time in which others had the device", () => {
    const stage = stageWith();
    const { cluster } = stage.scheduler;
    stage.call("long");
    stage.until(500);
    expect(cluster.devices[0]!.backlogMs(500)).toBe(500);
    for (let i = 0; i < 5; i++) stage.call("short");
    stage.until(600);
    expect(cluster.devices[0]!.backlogMs(600)).toBe(405);
  });
});

it("other policies wait for it, as published", () => {
  const stage = new Stage(lb);
  stage.device("a", cutting);
  stage.function("long", { isDivisible: true }, { runMs: 1_000 });
  stage.function("short", {}, { runMs: 1 });
  stage.call("long");
  stage.call("short");
  stage.until(3_000);
  expect(stage.runTimes).toEqual([0, 1_010]);
});
