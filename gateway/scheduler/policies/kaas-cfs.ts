/**
 * KaaS's Affinity, a completely fair scheduler over devices (Pemberton et al., arXiv 2212.08146): a group, here a
 * function, has a virtual time that rises with each run by its weight; a free device takes the group that is least far,
 * where one whose weights are not there counts as ten runs further. A group that was idle starts again where those that
 * were not have come to. One run at a time on a device, which begins when its weights are there.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { PolicyAtWork, SchedulingPolicy } from "../core/policy.ts";
import type { Request, Run } from "../core/request.ts";
import { FunctionQueues } from "./function-queues.ts";
import { inTurn } from "./in-turn.ts";
import { TwoListEviction } from "./two-list-eviction.ts";

/** Runs that a group has to be behind before a device without its weights takes it. */
export const affinityRuns = 10;

/** @param weightOf what a run of the function adds to its virtual time: more for who is to have less. */
export function kaasCfsWith(weightOf: (fn: FunctionState) => number): SchedulingPolicy {
  return {
    name: "kaas-cfs",
    traits: { overlapsLoads: false, sharesSpace: false },
    start: (cluster) => new KaasCfs(cluster, weightOf),
  };
}

export const kaasCfs = kaasCfsWith(() => 1);

interface Choice {
  readonly device: DeviceState;
  readonly request: Request;
  readonly cost: number;
}

class KaasCfs implements PolicyAtWork {
  readonly #cluster: Cluster;
  readonly #weightOf: (fn: FunctionState) => number;
  readonly #queues = new FunctionQueues();
  readonly #eviction = new TwoListEviction();
  readonly #virtualTimes = new WeakMap<FunctionState, number>();
  /** Groups that wait or run. */
  readonly #busy = new Set<FunctionState>();
  /** Of the busy group that is least far; of the last one where none is busy. */
  #base = 0;
  #lastUsed = -1;

  constructor(cluster: Cluster, weightOf: (fn: FunctionState) => number) {
    this.#cluster = cluster;
    this.#weightOf = weightOf;
  }

  arrived(request: Request): void {
    this.#queues.push(request);
    const fn = request.function;
    const wasIdle = fn.waiting + fn.running === 1;
    if (!wasIdle) return;
    this.#busy.delete(fn);
    this.#base = this.#leastFar();
    this.#virtualTimes.set(fn, this.#base);
    this.#busy.add(fn);
  }

  returned(request: Request): void {
    this.#queues.putBack(request);
    this.#busy.add(request.function);
  }

  withdrawn(request: Request): void {
    this.#queues.remove(request);
    this.#settle(request.function);
  }

  ended(run: Run): void {
    this.#settle(run.function);
  }

  advance(): void {
    const failed: Choice[] = [];
    while (!this.#queues.isEmpty) {
      const choice = this.#choose(failed);
      if (choice === undefined) return;
      const { device, request } = choice;
      if (this.#eviction.runAlone(device, request) === undefined) {
        failed.push(choice);
        continue;
      }
      const fn = request.function;
      this.#queues.remove(request);
      this.#lastUsed = device.index;
      this.#virtualTimes.set(fn, this.#virtualTime(fn) + this.#weightOf(fn));
    }
  }

  /** Of the free devices and the groups that wait, the pair that costs least; without those that found no room. */
  #choose(failed: readonly Choice[]): Choice | undefined {
    let best: Choice | undefined;
    for (const device of inTurn(this.#cluster.devices, this.#lastUsed)) {
      if (!device.isIdle) continue;
      for (const fn of this.#queues.functions) {
        const away = device.holds(fn) ? 0 : affinityRuns * this.#weightOf(fn);
        const cost = this.#virtualTime(fn) + away;
        if (best !== undefined && best.cost <= cost) continue;
        const request = this.#queues.firstFor(fn, device);
        if (request === undefined) continue;
        if (failed.some((one) => one.device === device && one.request === request)) continue;
        best = { device, request, cost };
      }
    }
    return best;
  }

  #virtualTime(fn: FunctionState): number {
    return this.#virtualTimes.get(fn) ?? this.#base;
  }

  #leastFar(): number {
    let least: number | undefined;
    for (const fn of this.#busy) {
      const time = this.#virtualTime(fn);
      if (least === undefined || time < least) least = time;
    }
    return least ?? this.#base;
  }

  #settle(fn: FunctionState): void {
    if (fn.waiting + fn.running > 0 || !this.#busy.has(fn)) return;
    this.#base = this.#leastFar();
    this.#busy.delete(fn);
  }
}
