/** What deciding costs: a thousand functions on a hundred devices of which many are busy, and a million requests on 4,000. */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { azureLikeArrivals } from "../traces/azure-like.ts";
import { gridOf } from "./cluster-model.ts";
import { torporFunction } from "./density.ts";
import { simulate } from "./simulation.ts";

export interface CostOptions {
  readonly policy: SchedulingPolicy;
  readonly functions: number;
  readonly nodes: number;
  readonly devicesPerNode: number;
  readonly callsPerSecond: number;
  readonly seconds: number;
}

export interface CostRow {
  readonly policy: string;
  readonly devices: number;
  readonly functions: number;
  readonly requests: number;
  readonly answers: number;
  /** Mean of a step of the scheduler: an event and what it decides. */
  readonly decisionMicros: number;
  /** Steps of the scheduler, all of them, for one request. */
  readonly requestMicros: number;
  readonly utilisation: number;
  /** Of the whole simulation: requests a second of real time. */
  readonly simulatedPerSecond: number;
}

export function measureCost(options: CostOptions): CostRow {
  const { policy, functions: count, nodes, devicesPerNode, callsPerSecond, seconds } = options;
  const functions = Array.from({ length: count }, (_, i) => torporFunction(i, policy.traits));
  const devices = gridOf({
    ...{ nodes, devicesPerNode, devicesPerBus: 2, budgetBytes: 25e9, loadBytesPerMs: 11.5e6 },
  });
  const durationMs = seconds * 1_000;
  const arrivals = azureLikeArrivals({ functions: count, durationMs, callsPerSecond, seed: 1 });
  const startedAt = performance.now();
  const outcomes = simulate({ policy, devices, functions, arrivals, clock: () => performance.now() });
  const tookMs = performance.now() - startedAt;
  return {
    ...{ policy: policy.name, devices: devices.length, functions: count },
    ...{ requests: outcomes.requests, answers: outcomes.answers },
    decisionMicros: outcomes.decisionMicros,
    requestMicros: (outcomes.decisionMs * 1_000) / outcomes.requests,
    utilisation: outcomes.utilisation,
    simulatedPerSecond: (outcomes.requests * 1_000) / tookMs,
  };
}
