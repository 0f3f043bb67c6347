/** What is known of runs whose weights come in with them. */
import { describe, expect, it } from "vitest";
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import { deadline } from "../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { lb } from "../../../../gateway/scheduler/policies/lb.ts";

/** A device that loads `f` in 20 ms, runs it in 10, and `g`, which is there, in 10. */
function opened(policy: SchedulingPolicy = deadline) {
  const scheduler = createScheduler(policy);
  const known = [{ class: "gpu", batch: 1, runMs: 10 }];
  const device = { id: "d", class: "gpu", node: "n", bus: "d", budgetBytes: 100, loadBytesPerMs: 1 };
  scheduler.step({ type: "device-up", device }, 0);
  for (const id of ["f", "g"])
    scheduler.step({ type: "function", function: { id, tenant: "t", weightBytes: 20, known } }, 0);
  scheduler.step({ type: "resident", device: "d", function: "g" }, 0);
  let requests = 0;
  const call = (fn: string, now: number) =>
    scheduler.step({ type: "arrival", request: { id: ++requests, function: fn } }, now);
  /** The first run that ever was. */
  const ended = (run: number, now: number) => scheduler.step({ type: "ended", run, runMs: 10 }, now);
  const loaded = (now: number) =>
    scheduler.step({ type: "loaded", device: "d", function: "f", loadMs: 20 }, now);
  const tailMs = () => scheduler.cluster.function("f").times("gpu").coldTailMs(1);
  return { scheduler, call, ended, loaded, tailMs };
}

describe("what is left of a run when its weights have come", () => {
  it("is not known before it was seen", () => {
    expect(opened().tailMs()).toBe(0);
  });

  it.each([
    [23, 3],
    [30, 10],
    // It was held up by something that is not known here.
    [90, 10],
  ])("of one that ended at %d ms is %d ms", (at, tailMs) => {
    const { call, ended, loaded, tailMs: measured } = opened();
    call("f", 0);
    loaded(20);
    ended(1, at);
    expect(measured()).toBeCloseTo(tailMs);
  });

  it("is expected of the next one", () => {
    const { scheduler, call, ended, loaded } = opened();
    call("f", 0);
    loaded(20);
    ended(1, 25);
    scheduler.step({ type: "evicted", device: "d", function: "f" }, 30);
    call("f", 100);
    expect([...scheduler.cluster.runs.values()].map(({ endsAt }) => endsAt)).toEqual([125]);
  });

  it("says nothing where the device had something else to do meanwhile", () => {
    const { call, ended, loaded, tailMs } = opened();
    call("f", 0);
    call("g", 15);
    loaded(20);
    ended(2, 25);
    ended(1, 35);
    expect(tailMs()).toBe(0);
  });

  it("is all of it where loads do not overlap runs, and is not measured", () => {
    const { call, ended, loaded, tailMs, scheduler } = opened(lb);
    call("f", 0);
    expect([...scheduler.cluster.runs.values()].map(({ endsAt }) => endsAt)).toEqual([30]);
    loaded(20);
    ended(1, 30);
    expect(tailMs()).toBe(0);
  });
});
