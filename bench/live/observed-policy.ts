/** A policy as it is, and what it decided: how often weights had to come in, and how long devices had loads and runs. */
import type { Cluster } from "../../gateway/scheduler/core/cluster.ts";
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";

export interface ObservedRun {
  /** As the scheduler calls it: its name and `@` first. */
  readonly function: string;
  readonly isCold: boolean;
  /** When the first of its requests came and when it ended, by `performance.now()`. */
  readonly arrivedAt: number;
  readonly endedAt: number;
  /** From the decision to its end, as the scheduler sees it. */
  readonly tookMs: number;
  /** Of that, on the device. */
  readonly deviceMs: number;
}

export class PolicyRecord {
  requests = 0;
  /** Requests whose weights had to come in, and those of them whose weights another device had. */
  misses = 0;
  falseMisses = 0;
  readonly runs: ObservedRun[] = [];
  /** From the decision until weights were there, milliseconds. */
  readonly loadsMs: number[] = [];

  clear(): void {
    this.requests = this.misses = this.falseMisses = this.runs.length = this.loadsMs.length = 0;
  }
}

/** @returns the policy, which notes what it does in `record`. */
export function observed(policy: SchedulingPolicy, record: PolicyRecord): SchedulingPolicy {
  return {
    ...policy,
    start(cluster) {
      watchRuns(cluster, record);
      watchLoads(cluster, record);
      const atWork = policy.start(cluster);
      const heard = atWork.ended?.bind(atWork);
      atWork.ended = (run, runMs) => {
        const { isCold, startedAt, requests } = run;
        const { now: endedAt } = cluster;
        const { arrivedAt } = requests[0]!;
        record.runs.push({
          ...{ function: run.function.id, isCold, arrivedAt, endedAt },
          ...{ tookMs: endedAt - startedAt, deviceMs: runMs },
        });
        heard?.(run, runMs);
      };
      return atWork;
    },
  };
}

function watchRuns(cluster: Cluster, record: PolicyRecord): void {
  const command = cluster.run.bind(cluster);
  cluster.run = (device, requests, share) => {
    const run = command(device, requests, share);
    record.requests += requests.length;
    if (!run.isCold) return run;
    record.misses += requests.length;
    if (run.function.holders.size > 1) record.falseMisses += requests.length;
    return run;
  };
}

function watchLoads(cluster: Cluster, record: PolicyRecord): void {
  const note = cluster.loaded.bind(cluster);
  cluster.loaded = (residence, loadMs) => {
    if (residence.state === "loading") record.loadsMs.push(cluster.now - residence.loadedAtMs);
    note(residence, loadMs);
  };
}
