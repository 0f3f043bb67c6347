/**
 * Torpor's experiment (USENIX ATC'25): how many functions meet their deadline (98 % of their calls in 80 ms, BERT in 200)
 * on one node of four GPUs, and on six nodes; calls as in the trace of its artifact, then with bursts. The times of the
 * models are those of its tables; there is no NVLink, which WebGPU cannot use.
 */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { type Arrivals, callsByFunction } from "../traces/arrivals.ts";
import { drawBursts, withBursts } from "../traces/bursts.ts";
import { exponentialArrivals } from "../traces/minute-arrivals.ts";
import { firstMinutes, type MinuteTrace } from "../traces/minute-trace.ts";
import { gridOf, type SimulatedFunction } from "./cluster-model.ts";
import { quantileOf } from "./outcomes.ts";
import { simulate } from "./simulation.ts";

export interface DensityCase {
  readonly functions: number;
  readonly nodes: number;
  readonly policy: SchedulingPolicy;
  readonly trace: MinuteTrace;
  readonly minutes: number;
  readonly withBursts: boolean;
  readonly seed: number;
}

export interface DensityRow {
  readonly functions: number;
  readonly called: number;
  readonly policy: string;
  /** Functions that meet their deadline. */
  readonly meeting: number;
  /** Of all calls, milliseconds. */
  readonly p98Ms: number;
  readonly missRatio: number;
}

const mib = 2 ** 20;
/** What Torpor leaves of 32 GB for weights. */
const gpuBytes = 25e9;
/** PCIe 3 x16, of which pairs of GPUs share one. */
const busBytesPerMs = 11.5e6;

interface Model {
  readonly name: string;
  readonly weightBytes: number;
  /** Torpor's "Remoting": weights there. */
  readonly runMs: number;
  readonly deadlineMs: number;
  /** A cold start of a process. */
  readonly coldStartMs: number;
}

const models: readonly Model[] = [
  { name: "densenet169", weightBytes: 57 * mib, runMs: 25, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "densenet201", weightBytes: 80 * mib, runMs: 28, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "inception", weightBytes: 104 * mib, runMs: 14, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "efficientnet", weightBytes: 78 * mib, runMs: 12, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "resnet50", weightBytes: 98 * mib, runMs: 9, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "resnet101", weightBytes: 170 * mib, runMs: 14, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "resnet152", weightBytes: 230 * mib, runMs: 17, deadlineMs: 80, coldStartMs: 8_000 },
  { name: "bert", weightBytes: 1_280 * mib, runMs: 43, deadlineMs: 200, coldStartMs: 11_000 },
];

/** Models take turns. */
export function torporFunction(index: number): SimulatedFunction {
  const { name, ...model } = models[index % models.length]!;
  return {
    ...{ id: `${name}-${index}`, tenant: `tenant${index % 8}`, ...model },
    known: [{ class: "gpu", batch: 1, runMs: model.runMs }],
  };
}

export function torporArrivals({
  functions,
  trace,
  minutes,
  withBursts: hasBursts,
  seed,
}: DensityCase): Arrivals {
  const part = firstMinutes(trace, minutes);
  const plain = exponentialArrivals(part, { seed, functions });
  if (!hasBursts) return plain;
  const bursts = drawBursts(plain, { seed, bursts: functions, lengthMs: 10_000, factor: 20 });
  return withBursts(plain, bursts, seed);
}

export function measureDensity(options: DensityCase): DensityRow {
  const { functions: count, nodes, policy } = options;
  const functions = Array.from({ length: count }, (_, i) => torporFunction(i));
  const arrivals = torporArrivals(options);
  const devices = gridOf({
    ...{ nodes, devicesPerNode: 4, devicesPerBus: 2, budgetBytes: gpuBytes, loadBytesPerMs: busBytesPerMs },
  });
  const outcomes = simulate({ policy, devices, functions, arrivals });
  const latencies = outcomes.latenciesByFunction();
  let meeting = 0;
  for (const [i, all] of latencies.entries())
    if (all.length > 0 && quantileOf(all, 0.98) <= functions[i]!.deadlineMs!) meeting++;
  return {
    functions: count,
    called: callsByFunction(arrivals).filter((calls) => calls > 0).length,
    policy: policy.name,
    meeting,
    p98Ms: quantileOf(outcomes.latencies(), 0.98),
    missRatio: outcomes.missRatio,
  };
}
