/** What became of the requests of a simulation, and the figures that tables are made of. */
import type { SchedulerAction } from "../../gateway/scheduler/core/actions.ts";
import type { Cluster } from "../../gateway/scheduler/core/cluster.ts";
import type { SimulatedFunction } from "./cluster-model.ts";
import type { DeviceModel } from "./device-model.ts";

export class Outcomes {
  readonly functions: readonly SimulatedFunction[];
  evictions = 0;
  /** Requests whose weights had to be brought in, and those of them whose weights another device had. */
  misses = 0;
  falseMisses = 0;
  runs = 0;
  rejections = 0;
  durationMs = 0;
  loadedBytes = 0;
  /** Of the devices' time: in which anything ran, and what was filled. */
  utilisation = 0;
  occupancy = 0;
  decisions = 0;
  decisionMs = 0;
  readonly #cluster: Cluster;
  readonly #arrivedAt: number[] = [];
  /** Indices. */
  readonly #function: number[] = [];
  /** NaN for those without an answer. */
  readonly #latencyMs: number[] = [];

  constructor(functions: readonly SimulatedFunction[], cluster: Cluster) {
    this.functions = functions;
    this.#cluster = cluster;
  }

  get requests(): number {
    return this.#arrivedAt.length;
  }

  get answers(): number {
    return this.#latencyMs.reduce((sum, ms) => sum + (Number.isNaN(ms) ? 0 : 1), 0);
  }

  get missRatio(): number {
    return this.misses / this.requests;
  }

  get falseMissRatio(): number {
    return this.falseMisses / this.requests;
  }

  /** Microseconds, of the scheduler's steps. */
  get decisionMicros(): number {
    return (this.decisionMs * 1_000) / this.decisions;
  }

  /** Milliseconds of those with an answer, ascending. @param fn index; all where left out. */
  latencies(fn?: number): Float64Array {
    const chosen: number[] = [];
    for (const [i, ms] of this.#latencyMs.entries())
      if (!Number.isNaN(ms) && (fn === undefined || this.#function[i] === fn)) chosen.push(ms);
    return Float64Array.from(chosen).sort();
  }

  /** By function, all at once; those without an answer count as infinitely late. */
  latenciesByFunction(): readonly Float64Array[] {
    const lists: number[][] = this.functions.map(() => []);
    for (const [i, ms] of this.#latencyMs.entries())
      lists[this.#function[i]!]!.push(Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms);
    return lists.map((list) => Float64Array.from(list).sort());
  }

  arrived(id: number, fn: number, now: number): void {
    this.#arrivedAt[id] = now;
    this.#function[id] = fn;
    this.#latencyMs[id] = Number.NaN;
  }

  /** Counts what the scheduler has just done. */
  started({ isCold, function: fn, requests }: Extract<SchedulerAction, { readonly type: "run" }>): void {
    this.runs++;
    if (!isCold) return;
    this.misses += requests.length;
    if (this.#cluster.function(fn).holders.size > 1) this.falseMisses += requests.length;
  }

  answered(id: number, now: number): void {
    this.#latencyMs[id] = now - this.#arrivedAt[id]! + (this.functions[this.#function[id]!]!.hostMs ?? 0);
  }

  rejected(_id: number): void {
    this.rejections++;
  }

  decided(ms: number): void {
    this.decisions++;
    this.decisionMs += ms;
  }

  finish(now: number, devices: readonly DeviceModel[]): void {
    this.durationMs = now;
    for (const { compute, loadedBytes } of devices) {
      this.utilisation += compute.busyMs / now / devices.length;
      this.occupancy += compute.filledMs / now / devices.length;
      this.loadedBytes += loadedBytes;
    }
  }
}

export function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param sorted ascending. @param p 0 to 1: the smallest value that so many are not above. */
export function quantileOf(sorted: Float64Array, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}
