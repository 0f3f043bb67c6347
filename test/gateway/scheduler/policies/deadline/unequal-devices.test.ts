/** Devices of which some are slower, or take more of their memory for each function, or refuse some. */
import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** Calls at regular times, of a function that takes `runMs` on the GPU and has never run on the CPU. */
function called(runMs: number, cpu: Partial<Parameters<Stage["device"]>[1]> = {}): Stage {
  const stage = new Stage(deadline);
  stage.device("gpu");
  stage.device("cpu", { class: "cpu", loadFixedMs: 500, ...cpu });
  stage.function("f", {}, { loadMs: 500, runMs });
  stage.call("f", { device: "gpu" });
  for (let i = 1; i <= 200; i++) stage.call("f", { at: 200 * i });
  stage.until(41_000);
  return stage;
}

const loads = (stage: Stage) =>
  stage.done.flatMap((one) => (one.type === "load" ? [`${one.function}@${one.device}`] : []));

describe("a slower device", () => {
  it("gets a copy of what keeps a faster one busy, and is tried", () => {
    const stage = called(100);
    expect(loads(stage)).toEqual(["f@cpu"]);
    expect(stage.runs).toContain("f@cpu");
  });

  it("gets none of what the faster one does in a fraction of its time", () => {
    const stage = called(4);
    // As busy as the other is with it.
    for (let i = 0; i < 3_000; i++) stage.call("f", { at: stage.now + 10 * i });
    stage.until(stage.now + 31_000);
    expect(loads(stage)).toEqual([]);
    expect(new Set(stage.runs)).toEqual(new Set(["f@gpu!", "f@gpu"]));
  });

  it("gets nothing that it refuses", () => {
    const stage = new Stage(deadline);
    stage.device("gpu");
    stage.device("cpu", { class: "cpu" });
    stage.function("f", { refusedBy: ["cpu"] }, { runMs: 100 });
    for (let i = 0; i < 20; i++) stage.call("f");
    stage.until(10_000);
    expect(stage.runs).toHaveLength(20);
    expect(new Set(stage.runs)).toEqual(new Set(["f@gpu!", "f@gpu"]));
    // What is expected of it there, though it never runs there, is no time that another device could reach.
    const { cluster } = stage.scheduler;
    expect(cluster.fastestMs(cluster.function("f"), 1)).toBe(100);
  });
});

describe("memory that each function takes beside its weights", () => {
  it("counts against the budget", () => {
    const stage = new Stage(deadline);
    stage.device("a", { fixedBytes: 30 });
    for (const id of ["f", "g", "h"]) {
      stage.function(id, { weightBytes: 10 });
      stage.call(id);
      stage.until(stage.now + 1_000);
    }
    expect(stage.evictions).toEqual(["f@a"]);
    const [device] = stage.scheduler.cluster.devices;
    expect(device!.usedBytes).toBe(80);
    // The control: without it all three have room.
    const roomy = new Stage(deadline);
    roomy.device("a");
    for (const id of ["f", "g", "h"]) {
      roomy.function(id, { weightBytes: 10 });
      roomy.call(id);
      roomy.until(roomy.now + 1_000);
    }
    expect(roomy.evictions).toEqual([]);
  });

  it("makes a function too large for the device where it does not fit beside it", () => {
    const stage = new Stage(deadline);
    stage.device("a", { fixedBytes: 30 });
    stage.function("fits", { weightBytes: 70 });
    stage.function("large", { weightBytes: 71 });
    stage.call("fits");
    stage.until(1_000);
    stage.call("large");
    expect(stage.runs).toEqual(["fits@a!"]);
    expect(stage.rejections).toHaveLength(1);
  });
});
