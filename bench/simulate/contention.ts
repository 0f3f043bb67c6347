/**
 * The experiment of Kernel-as-a-Service (Pemberton et al., arXiv 2212.08146): replicas of one workload, a client each, 1 to
 * 32 on four GPUs of 16 GB. Throughput is that of clients that send their next request when they have their answer.
 * Latency is that of requests at random times, at 70 % of what balance reaches where all fits (the same for all), and at
 * 70 % of what each reaches itself. What a client holds, and how much sharing a GPU in space gains, are the paper's. The
 * first half minute, in which workers start and weights come in, is not counted.
 */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { exponentialGap, randomStream } from "../traces/random.ts";
import { gridOf, type SimulatedFunction } from "./cluster-model.ts";
import { quantileOf } from "./outcomes.ts";
import { simulate } from "./simulation.ts";

export interface Workload {
  readonly name: string;
  readonly clientBytes: number;
  readonly runMs: number;
  /** Part of a GPU that a run fills: 1 by how much faster four partitions are than runs one after another. */
  readonly occupancy: number;
  /** Before and after the GPU. */
  readonly hostMs: number;
  /** To start a worker. */
  readonly coldStartMs: number;
}

/**
 * Times by which its figures come out: runs a second of KaaS and of fractional MPS at 16 clients, restarts of eTask. Of
 * Jacobi KaaS's own are a third slower than eTask's: its run is as long as eTask's, so that KaaS's policies are better off.
 */
export const workloads: readonly Workload[] = [
  { name: "resnet50", clientBytes: 0.57e9, runMs: 23.1, occupancy: 0.85, hostMs: 6.5, coldStartMs: 2_600 },
  { name: "bert", clientBytes: 3.78e9, runMs: 105, occupancy: 0.617, hostMs: 42, coldStartMs: 6_900 },
  { name: "cgemm", clientBytes: 2.41e9, runMs: 45.3, occupancy: 0.603, hostMs: 1.2, coldStartMs: 2_300 },
  { name: "jacobi", clientBytes: 0.32e9, runMs: 61.5, occupancy: 0.323, hostMs: 0.8, coldStartMs: 2_600 },
];

export interface ContentionRow {
  readonly workload: string;
  readonly clients: number;
  readonly policy: string;
  /** Requests a second of closed-loop clients. */
  readonly qps: number;
  /** At the same load for all; NaN where no request had an answer, as at a load of its own. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  /** At a load that is 70 % of its own `qps`. */
  readonly ownP50Ms: number;
  readonly ownP90Ms: number;
}

const warmUpSeconds = 30;
const seconds = 60;
const loadShare = 0.7;
/** 16 GiB without 300 MiB. */
const gpuBytes = 16 * 2 ** 30 - 300 * 2 ** 20;
const gpus = gridOf({
  nodes: 1,
  devicesPerNode: 4,
  devicesPerBus: 2,
  budgetBytes: gpuBytes,
  loadBytesPerMs: 11.5e6,
});

export function measureContention(
  workload: Workload,
  clients: number,
  policies: readonly SchedulingPolicy[],
): readonly ContentionRow[] {
  const functions = Array.from({ length: clients }, (_, i) => clientFunction(workload, i));
  const balance = 4_000 / workload.runMs;
  const alone = (clients * 1_000) / (workload.runMs + workload.hostMs);
  const cluster = { devices: gpus, functions, countedFromMs: warmUpSeconds * 1_000 };
  return policies.map((policy) => {
    const latenciesAt = (qps: number) =>
      qps === 0
        ? new Float64Array()
        : simulate({ ...cluster, policy, arrivals: openLoop(clients, loadShare * qps) }).latencies();
    const closed = simulate({
      ...{ ...cluster, policy, closedUntilMs: (warmUpSeconds + seconds) * 1_000 },
      clients: functions.map((_, i) => ({ function: i })),
    });
    const qps = closed.closedLoopRate;
    const [common, own] = [latenciesAt(Math.min(balance, alone)), latenciesAt(qps)];
    return {
      ...{ workload: workload.name, clients, policy: policy.name, qps },
      ...{ p50Ms: quantileOf(common, 0.5), p90Ms: quantileOf(common, 0.9) },
      ...{ ownP50Ms: quantileOf(own, 0.5), ownP90Ms: quantileOf(own, 0.9) },
    };
  });
}

function clientFunction({ name, clientBytes, ...workload }: Workload, index: number): SimulatedFunction {
  return {
    ...{ id: `${name}-${index}`, tenant: `client${index}`, weightBytes: clientBytes, ...workload },
    known: [{ class: "gpu", batch: 1, runMs: workload.runMs }],
  };
}

function openLoop(
  clients: number,
  callsPerSecond: number,
): { readonly timesMs: Float64Array; readonly functionOf: Uint32Array } {
  const random = randomStream(1, 0);
  const times: number[] = [];
  const functions: number[] = [];
  for (let at = exponentialGap(random, callsPerSecond / 1_000); at < (warmUpSeconds + seconds) * 1_000; ) {
    times.push(at);
    functions.push(Math.floor(random() * clients));
    at += exponentialGap(random, callsPerSecond / 1_000);
  }
  return { timesMs: Float64Array.from(times), functionOf: Uint32Array.from(functions) };
}
