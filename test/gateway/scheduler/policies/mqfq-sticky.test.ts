import { describe, expect, it } from "vitest";
import { mqfqSticky, mqfqStickyWith } from "../../../../gateway/scheduler/policies/mqfq-sticky.ts";
import { Stage } from "./stage.ts";

function many(stage: Stage, fn: string, count: number): void {
  for (let i = 0; i < count; i++) stage.call(fn);
}

describe("mqfq-sticky", () => {
  const oneAtATime = (allowedAheadMs: number) => mqfqStickyWith({ allowedAheadMs, runsAtATime: 1 });

  it("throttles a flow that is further ahead of the slowest than allowed", () => {
    const stage = new Stage(oneAtATime(50));
    stage.device("a");
    for (const id of ["f", "g"]) stage.function(id);
    many(stage, "f", 20);
    stage.call("g");
    stage.until(1_000);
    // g begins at 10, where f's second request is; f may be at 60, which is that of its seventh.
    expect(stage.runs.indexOf("g@a!")).toBe(7);
    const free = new Stage(oneAtATime(1_000));
    free.device("a");
    for (const id of ["f", "g"]) free.function(id);
    many(free, "f", 20);
    free.call("g");
    free.until(1_000);
    expect(free.runs.indexOf("g@a!")).toBe(20);
  });

  it("takes flows whose weights are there first, and of those the longest", () => {
    const stage = new Stage(oneAtATime(1_000));
    stage.device("a");
    for (const id of ["f", "g", "away"]) stage.function(id);
    stage.call("f");
    stage.call("g");
    stage.until(100);
    stage.call("f");
    many(stage, "away", 5);
    many(stage, "f", 1);
    many(stage, "g", 3);
    stage.until(150);
    expect(stage.runs.slice(2)).toEqual(["f@a", "g@a", "g@a", "f@a", "g@a", "away@a!"]);
  });

  it("has a few runs at a time on a device", () => {
    const stage = new Stage(mqfqSticky);
    stage.device("a");
    for (const id of ["f", "g", "h"]) stage.function(id);
    for (const id of ["f", "g", "h"]) stage.call(id);
    expect(stage.runs).toEqual(["f@a!", "g@a!"]);
    stage.until(20);
    expect(stage.runs).toEqual(["f@a!", "g@a!", "h@a!"]);
  });

  it("evicts flows that are not active any more before those that are, though they were used later", () => {
    const stage = new Stage(mqfqSticky);
    stage.device("a", { budgetBytes: 20 });
    for (const id of ["steady", "burst", "new"]) stage.function(id);
    // One is called every 10 s, so it stays active for 20 s; the other every 100 ms, so for 200 ms.
    for (const at of [0, 10_000, 20_000]) stage.call("steady", { at });
    for (const at of [20_100, 20_200, 20_300]) stage.call("burst", { at });
    stage.call("new", { at: 21_000 });
    stage.until(22_000);
    expect(stage.evictions).toEqual(["burst@a"]);
  });
});
