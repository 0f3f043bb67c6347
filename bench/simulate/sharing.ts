/**
 * The experiment of FaST-GShare (ICPP'23): four ResNet, two RNNT and one or two BERT functions with quotas of a device's
 * time and parts of its multiprocessors, on one GPU shared in time and space, against four GPUs shared in time alone. How
 * much comes through is what closed-loop clients get; deadlines are looked at with random requests at parts of each
 * function's requested quota.
 */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { type Arrivals, gatherArrivals } from "../traces/arrivals.ts";
import { randomCalls } from "../traces/call-sources.ts";
import { randomStream } from "../traces/random.ts";
import { gridOf, type SimulatedDevice, type SimulatedFunction } from "./cluster-model.ts";
import { quantileOf } from "./outcomes.ts";
import { simulate } from "./simulation.ts";

interface Model {
  readonly name: string;
  readonly weightBytes: number;
  /** On its part of a V100: 22 RNNT a second on all of one is the paper's; the others are of that order. */
  readonly runMs: number;
  /** The paper's 69 ms for ResNet, three and a half times its run; so the others. */
  readonly deadlineMs: number;
  /** The paper's, of the multiprocessors and of the time. */
  readonly occupancy: number;
  readonly quota: number;
}

const resnet: Model = {
  ...{ name: "resnet", weightBytes: 1_427e6, runMs: 20, deadlineMs: 69, occupancy: 0.12, quota: 0.4 },
};
const rnnt: Model = {
  ...{ name: "rnnt", weightBytes: 1_500e6, runMs: 45, deadlineMs: 155, occupancy: 0.24, quota: 0.4 },
};
const bert: Model = {
  ...{ name: "bert", weightBytes: 2_500e6, runMs: 60, deadlineMs: 207, occupancy: 0.5, quota: 0.6 },
};

/** The mixed functions of the experiment, without and with the second BERT. */
export const mixes = {
  seven: [resnet, resnet, resnet, resnet, rnnt, rnnt, bert],
  eight: [resnet, resnet, resnet, resnet, rnnt, rnnt, bert, bert],
} as const;

export type Mix = keyof typeof mixes;

export interface SharingRow {
  /** Answers a second of clients that always wait for one, a few a function. */
  readonly qps: number;
  /** Of the devices' time: in which anything ran; and how much of them was filled. */
  readonly utilisation: number;
  readonly occupancy: number;
}

export interface SharingAtLoadRow extends Pick<SharingRow, "utilisation" | "occupancy"> {
  /** Of all requests, those that had no answer by their deadline. */
  readonly violations: number;
  readonly p99Ms: number;
}

const warmUpMs = 10_000;
const seconds = 120;
/** So that a function never waits for its clients. */
const clientsAFunction = 3;

export function measureThroughput(mix: Mix, policy: SchedulingPolicy, gpus: number): SharingRow {
  const functions = mixes[mix].map(functionOf);
  const outcomes = simulate({
    ...{ policy, devices: devicesOf(gpus), functions, countedFromMs: warmUpMs },
    closedUntilMs: warmUpMs + seconds * 1_000,
    clients: Array.from({ length: functions.length * clientsAFunction }, (_, i) => ({
      function: i % functions.length,
    })),
  });
  const { utilisation, occupancy } = outcomes;
  return { qps: outcomes.answers / seconds, utilisation, occupancy };
}

/** @param load of each function: part of what its requested quota lets it run. */
export function measureAtLoad(
  mix: Mix,
  policy: SchedulingPolicy,
  gpus: number,
  load: number,
): SharingAtLoadRow {
  const models = mixes[mix];
  const functions = models.map(functionOf);
  const arrivals = arrivalsOf(models, load);
  const outcomes = simulate({
    ...{ policy, devices: devicesOf(gpus), functions, arrivals, countedFromMs: warmUpMs },
  });
  let [late, all] = [0, 0];
  for (const [i, latencies] of outcomes.latenciesByFunction().entries()) {
    all += latencies.length;
    for (const ms of latencies) if (ms > models[i]!.deadlineMs) late++;
  }
  const { utilisation, occupancy } = outcomes;
  return { violations: late / all, p99Ms: quantileOf(outcomes.latencies(), 0.99), utilisation, occupancy };
}

function functionOf({ name, quota, ...model }: Model, index: number): SimulatedFunction {
  return {
    ...{ id: `${name}-${index}`, tenant: `tenant${index}`, ...model },
    quota: { request: quota, limit: 1 },
    known: [{ class: "gpu", batch: 1, runMs: model.runMs }],
  };
}

function arrivalsOf(models: readonly Model[], load: number): Arrivals {
  const sources = models.map(({ quota, runMs }, i) =>
    randomCalls(randomStream(1, i), (load * quota) / runMs),
  );
  return gatherArrivals(sources, warmUpMs + seconds * 1_000);
}

/** V100 of 16 GB. */
function devicesOf(gpus: number): readonly SimulatedDevice[] {
  return gridOf({
    ...{ nodes: 1, devicesPerNode: gpus, devicesPerBus: 2, budgetBytes: 15.5e9, loadBytesPerMs: 11.5e6 },
  });
}
