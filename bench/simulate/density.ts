/**
 * Torpor's experiment (USENIX ATC'25): how many functions meet their deadline (98 % of their calls in 80 ms, BERT in 200)
 * on one node of four GPUs, and on six nodes (in 150 and 250); calls as in the trace of its artifact, then with bursts.
 * The times of the models are those of its tables. The first minute, in which everything comes in, is not counted.
 */
import type { PolicyTraits, SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { type Arrivals, callsByFunction } from "../traces/arrivals.ts";
import { drawBursts, withBursts } from "../traces/bursts.ts";
import { exponentialArrivals } from "../traces/minute-arrivals.ts";
import { firstMinutes, type MinuteTrace } from "../traces/minute-trace.ts";
import { callGaps } from "./call-gaps.ts";
import { gridOf, type SimulatedFunction } from "./cluster-model.ts";
import { quantileOf } from "./outcomes.ts";
import { type Cells, simulate } from "./simulation.ts";

export interface DensityCase {
  readonly functions: number;
  readonly nodes: number;
  /** Made for the calls that are to come, of which keep-alive knows the gaps beforehand, as in the experiment. */
  readonly policy: (gapMs: (fn: string) => number) => SchedulingPolicy;
  /** A scheduler a node, functions dealt out to nodes; else one over all. */
  readonly isPerNode?: boolean;
  readonly trace: MinuteTrace;
  readonly minutes: number;
  readonly withBursts: boolean;
  readonly seed: number;
}

export interface DensityRow {
  readonly functions: number;
  readonly called: number;
  /** Functions that meet their deadline. */
  readonly meeting: number;
  /** Of all answers, milliseconds. */
  readonly p98Ms: number;
  readonly missRatio: number;
}

const mib = 2 ** 20;
/** What Torpor leaves of 32 GB for weights. */
const gpuBytes = 25e9;
/** PCIe 3 x16, of which pairs of GPUs share one. */
const busBytesPerMs = 11.5e6;
/** From one GPU to another, where Torpor's are used: what its tables leave of two NVLinks for BERT. */
export const peerBytesPerMs = 40e6;
/**
 * What a process has on a GPU beside weights, context and activations: 18 of ResNet-152 fill a GPU in Torpor's
 * experiment. It is paid a function where each has a process of its own, and else once, within what is left of 32 GB.
 */
const processBytes = 1.15e9;
const warmUpMs = 60_000;

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

/** Models take turns. @param traits whether each has a process of its own. */
export function torporFunction(index: number, { coldStart }: PolicyTraits, extraMs = 0): SimulatedFunction {
  const { name, weightBytes, deadlineMs, ...model } = models[index % models.length]!;
  return {
    ...{ id: `${name}-${index}`, tenant: `tenant${index % 8}`, ...model },
    weightBytes: weightBytes + (coldStart === "process" ? processBytes : 0),
    deadlineMs: deadlineMs + extraMs,
    known: [{ class: "gpu", batch: 1, runMs: model.runMs }],
  };
}

function torporArrivals({ functions, trace, minutes, withBursts: hasBursts, seed }: DensityCase): Arrivals {
  const part = firstMinutes(trace, minutes);
  const plain = exponentialArrivals(part, { seed, functions });
  if (!hasBursts) return plain;
  const bursts = drawBursts(plain, { seed, bursts: functions, lengthMs: 10_000, factor: 20 });
  return withBursts(plain, bursts, seed);
}

export function measureDensity(options: DensityCase): DensityRow {
  const { functions: count, nodes, isPerNode = false } = options;
  const arrivals = torporArrivals(options);
  const gapsMs = callGaps(arrivals, keptQuantile);
  const policy = options.policy((id) => gapsMs[Number(id.slice(id.indexOf("-") + 1))]!);
  const extraMs = nodes > 1 ? clusterExtraMs : 0;
  const functions = Array.from({ length: count }, (_, i) => torporFunction(i, policy.traits, extraMs));
  const devices = gridOf({
    ...{ nodes, devicesPerNode, devicesPerBus: 2, budgetBytes: gpuBytes, loadBytesPerMs: busBytesPerMs },
  });
  const outcomes = simulate({
    ...{ policy, devices, functions, arrivals, countedFromMs: warmUpMs },
    ...(isPerNode && { cells: nodeCells(devices.length, count, nodes) }),
  });
  const latencies = outcomes.latenciesByFunction();
  let meeting = 0;
  for (const [i, all] of latencies.entries())
    if (all.length > 0 && quantileOf(all, 0.98) <= functions[i]!.deadlineMs!) meeting++;
  return {
    functions: count,
    called: callsByFunction(arrivals).filter((calls) => calls > 0).length,
    meeting,
    p98Ms: quantileOf(outcomes.latencies(), 0.98),
    missRatio: outcomes.missRatio,
  };
}

const devicesPerNode = 4;
/** What deadlines are longer by in Torpor's cluster, where calls pass a network. */
const clusterExtraMs = 70;
/** Of the gaps between a function's calls, for which its process is kept. */
const keptQuantile = 0.99;

/** One function of each model to a node, then to the next: all nodes have the same to do. */
function nodeCells(devices: number, functions: number, nodes: number): Cells {
  return {
    ofDevice: Array.from({ length: devices }, (_, i) => Math.floor(i / devicesPerNode)),
    ofFunction: Array.from({ length: functions }, (_, i) => Math.floor(i / models.length) % nodes),
  };
}
