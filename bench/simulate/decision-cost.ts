/** What deciding costs, and how fast the simulation is: functions with the calls of production on many devices. */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { azureLikeArrivals } from "../traces/azure-like.ts";
import { gridOf } from "./cluster-model.ts";
import { torporFunction } from "./density.ts";
import { simulate } from "./simulation.ts";

export interface CostCase {
  readonly policy: SchedulingPolicy;
  readonly functions: number;
  readonly nodes: number;
  readonly callsPerSecond: number;
  readonly seconds: number;
  /** Whether steps are timed one by one, which takes time itself. Left out: yes. */
  readonly isTimed?: boolean;
}

export interface CostRow {
  readonly devices: number;
  readonly functions: number;
  readonly requests: number;
  readonly answers: number;
  /** Of a step of the scheduler, an event and what it decides: mean and 99th percentile; NaN where it is not timed. */
  readonly decisionMicros: number;
  readonly decisionP99Micros: number;
  /** Steps of the scheduler, all of them, for one request. */
  readonly requestMicros: number;
  readonly utilisation: number;
  /** Of the whole simulation, scheduler included: requests a second of real time. */
  readonly simulatedPerSecond: number;
}

const devicesPerNode = 4;

export function measureCost(options: CostCase): CostRow {
  const { policy, functions: count, nodes, callsPerSecond, seconds, isTimed = true } = options;
  const functions = Array.from({ length: count }, (_, i) => torporFunction(i, policy.traits));
  const devices = gridOf({
    ...{ nodes, devicesPerNode, devicesPerBus: 2, budgetBytes: 25e9, loadBytesPerMs: 11.5e6 },
  });
  const durationMs = seconds * 1_000;
  const arrivals = azureLikeArrivals({ functions: count, durationMs, callsPerSecond, seed: 1 });
  const startedAt = performance.now();
  const clock = isTimed ? { clock: () => performance.now() } : {};
  const outcomes = simulate({ policy, devices, functions, arrivals, ...clock });
  const tookMs = performance.now() - startedAt;
  return {
    ...{ devices: devices.length, functions: count, requests: outcomes.requests, answers: outcomes.answers },
    decisionMicros: outcomes.decisionMicros,
    decisionP99Micros: outcomes.decisionMicrosAt(0.99),
    requestMicros: (outcomes.decisionMs * 1_000) / outcomes.requests,
    utilisation: outcomes.utilisation,
    simulatedPerSecond: (outcomes.requests * 1_000) / tookMs,
  };
}
