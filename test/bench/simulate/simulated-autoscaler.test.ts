import { describe, expect, it } from "vitest";
import { gridOf, type SimulatedFunction } from "../../../bench/simulate/cluster-model.ts";
import { SimulatedAutoscaler } from "../../../bench/simulate/simulated-autoscaler.ts";
import { simulate } from "../../../bench/simulate/simulation.ts";
import { gatherArrivals } from "../../../bench/traces/arrivals.ts";
import type { AutoscaleOptions } from "../../../gateway/autoscale/autoscaler.ts";
import { schedulingPolicies } from "../../../gateway/scheduler/policies/policies.ts";

const minuteMs = 60_000;
const devices = gridOf({
  ...{ nodes: 1, devicesPerNode: 1, devicesPerBus: 1, budgetBytes: 1_000, loadBytesPerMs: 1 },
});
const functions: readonly SimulatedFunction[] = [{ id: "f", tenant: "t", weightBytes: 600, runMs: 10 }];

/** A function called every half an hour, for ten hours. */
function play(options: AutoscaleOptions | undefined) {
  let at = 0;
  const source = () => {
    at += 30 * minuteMs;
    return at;
  };
  const arrivals = gatherArrivals([source], 600 * minuteMs);
  const bystander = new SimulatedAutoscaler(devices, functions, options);
  const outcomes = simulate({
    ...{ policy: schedulingPolicies.deadline, devices, functions, arrivals, bystander },
  });
  return { calls: outcomes.requests, misses: outcomes.misses, residentBytes: bystander.meanResidentBytes };
}

describe("the autoscaler beside a simulated scheduler", () => {
  it("has a function that is called at regular times away between them, and there for nearly all", () => {
    const { calls, misses, residentBytes } = play({});
    expect(calls).toBe(19);
    expect(misses).toBeLessThan(8);
    expect(residentBytes).toBeLessThan(0.5 * 600);
  });

  it("has it there ten minutes after each call, and never for one, where that is what it is told", () => {
    const { calls, misses, residentBytes } = play({ idleWindow: { leastTimes: Number.POSITIVE_INFINITY } });
    expect(misses).toBe(calls);
    expect(residentBytes / 600).toBeCloseTo(1 / 3, 1);
  });

  it("takes nothing away where it only looks on", () => {
    const { misses, residentBytes } = play(undefined);
    expect(misses).toBe(1);
    expect(residentBytes).toBeGreaterThan(0.9 * 600);
  });
});
