/**
 * What it costs to take weights away from functions that are not called, and what it gives: the gateway's autoscaler,
 * the same with a fixed window of ten minutes, and never taking anything away, on devices that hold all functions. Cold
 * calls are those whose weights had to come in; the rest of the devices could hold something else.
 */
import type { AutoscaleOptions } from "../../gateway/autoscale/autoscaler.ts";
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import { gridOf } from "./cluster-model.ts";
import { torporFunction } from "./density.ts";
import { quantileOf } from "./outcomes.ts";
import { SimulatedAutoscaler } from "./simulated-autoscaler.ts";
import { simulate } from "./simulation.ts";

export interface ScalingRow {
  readonly name: string;
  readonly calls: number;
  readonly coldPart: number;
  /** Of the weights of all functions that were called. */
  readonly residentPart: number;
  readonly p99Ms: number;
}

const gpuBytes = 25e9;
const busBytesPerMs = 11.5e6;

const ways: Readonly<Record<string, AutoscaleOptions | undefined>> = {
  "never taken away": undefined,
  "ten minutes": { idleWindow: { leastTimes: Number.POSITIVE_INFINITY } },
  autoscaler: {},
};

export function measureScaling(arrivals: Arrivals): readonly ScalingRow[] {
  const functions = Array.from({ length: arrivals.functions }, (_, i) => torporFunction(i, deadline.traits));
  const called = new Set(arrivals.functionOf);
  const bytes = functions.reduce((sum, { weightBytes }, i) => sum + (called.has(i) ? weightBytes : 0), 0);
  const nodes = Math.ceil((1.5 * bytes) / (4 * gpuBytes));
  const devices = gridOf({
    ...{ nodes, devicesPerNode: 4, devicesPerBus: 2, budgetBytes: gpuBytes, loadBytesPerMs: busBytesPerMs },
  });
  return Object.entries(ways).map(([name, options]) => {
    const bystander = new SimulatedAutoscaler(devices, functions, options);
    const outcomes = simulate({ policy: deadline, devices, functions, arrivals, bystander });
    return {
      ...{ name, calls: outcomes.requests, coldPart: outcomes.missRatio },
      residentPart: bystander.meanResidentBytes / bytes,
      p99Ms: quantileOf(outcomes.latencies(), 0.99),
    };
  });
}
