import { expect, test } from "vitest";
import { inferredConfigurations } from "../../../gateway/autoscale/inferred-configurations.ts";
import { FunctionState } from "../../../gateway/scheduler/core/function-state.ts";
import { functionSpec } from "../scheduler/core/specs.ts";

const unit = (id: string) => new FunctionState(functionSpec(id));

test("calls a second are in proportion to the part of the device's time", () => {
  const one = unit("a");
  one.times("fast").measured(1, 20);
  const all = inferredConfigurations([one]);
  expect([...all.keys()]).toEqual(["fast"]);
  for (const { quota, share, throughput, p50Ms, p98Ms } of all.get("fast")!) {
    expect(throughput).toBeCloseTo(50 * quota);
    expect([share, p98Ms]).toEqual([1, p50Ms]);
    expect(p50Ms).toBeCloseTo(20 / quota);
  }
  expect(Math.max(...all.get("fast")!.map(({ quota }) => quota))).toBe(1);
});

test("of several sizes of inputs, those that are called more count for more", () => {
  const [often, seldom] = [unit("often"), unit("seldom")];
  often.times("gpu").measured(1, 10);
  seldom.times("gpu").measured(1, 50);
  for (let i = 0; i < 3; i++) often.used(i);
  seldom.used(9);
  const whole = inferredConfigurations([often, seldom]).get("gpu")!.at(-1)!;
  expect(whole.p50Ms).toBeCloseTo(20);
});

test("nothing is known of what never ran there, and what takes no time is no infinity", () => {
  const one = unit("a");
  // It was asked, as a scheduler does all the time.
  one.times("slow").median(1);
  expect(inferredConfigurations([one]).size).toBe(0);
  one.times("fast").measured(1, 0);
  const all = inferredConfigurations([one, unit("b")]);
  expect([...all.keys()]).toEqual(["fast"]);
  expect(all.get("fast")!.every(({ throughput }) => Number.isFinite(throughput))).toBe(true);
});
