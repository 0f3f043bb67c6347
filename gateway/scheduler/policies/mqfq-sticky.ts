/**
 * MQFQ-Sticky (Fuerst et al., arXiv 2507.08954): fair queueing over functions that respects where weights are. Each
 * function is a flow; a request has a virtual start, that of the flow's last finish or of the slowest flow, and a finish
 * its run later. A flow that is more than an allowed time ahead of the slowest is throttled. Of the others a device takes
 * one whose weights it has, and of those the longest; it has a few runs at a time. A flow stays active for a while after
 * its last request, in case more come; what belongs to inactive and throttled flows is evicted first.
 *
 * Written from the abstract and the defaults of its authors' system (iluvatar-faas); the number of runs at a time and the
 * factor of the time to live are from memory.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { PolicyAtWork, SchedulingPolicy } from "../core/policy.ts";
import type { Request, Run } from "../core/request.ts";
import { type EvictionPolicy, lastTouchedMs } from "../eviction/policy.ts";
import { idleText } from "../eviction/words.ts";
import { Flows } from "./flows.ts";
import { FunctionQueues } from "./function-queues.ts";
import { inTurn } from "./in-turn.ts";
import { runAlone } from "./run-alone.ts";

export interface MqfqOptions {
  /** How far a flow may be ahead of the slowest, in milliseconds of runs ("T"). */
  readonly allowedAheadMs?: number;
  /** On a device ("D"). */
  readonly runsAtATime?: number;
}

const defaultAllowedAheadMs = 10_000;
const defaultRunsAtATime = 2;

export function mqfqStickyWith(options: MqfqOptions): SchedulingPolicy {
  return {
    name: "mqfq-sticky",
    traits: { overlapsLoads: false, sharesSpace: true },
    start: (cluster) => new MqfqSticky(cluster, options),
  };
}

export const mqfqSticky = mqfqStickyWith({});

interface Choice {
  readonly device: DeviceState;
  readonly request: Request;
  readonly isThere: boolean;
  readonly length: number;
  readonly start: number;
}

class MqfqSticky implements PolicyAtWork {
  readonly #cluster: Cluster;
  readonly #runsAtATime: number;
  readonly #queues = new FunctionQueues();
  readonly #flows: Flows;
  readonly #eviction: EvictionPolicy;
  #lastUsed = -1;

  constructor(
    cluster: Cluster,
    { allowedAheadMs = defaultAllowedAheadMs, runsAtATime = defaultRunsAtATime }: MqfqOptions,
  ) {
    this.#cluster = cluster;
    this.#runsAtATime = runsAtATime;
    const flows = new Flows(this.#queues, allowedAheadMs);
    this.#flows = flows;
    this.#eviction = {
      name: "mqfq",
      key: (resident, nowMs) => [
        flows.isActive(cluster.functions.get(resident.id), nowMs) ? 1 : 0,
        lastTouchedMs(resident),
      ],
      explain: (resident, nowMs) =>
        `${flows.isActive(cluster.functions.get(resident.id), nowMs) ? "active" : "inactive or throttled"}; ${idleText(resident, nowMs)}`,
    };
  }

  arrived(request: Request): void {
    const [device] = this.#cluster.devices;
    this.#flows.arrived(request, device!.runMs(request.function, request.rows), this.#cluster.now);
    this.#queues.push(request);
  }

  /** It keeps its virtual times. */
  returned(request: Request): void {
    this.#queues.putBack(request);
  }

  withdrawn(request: Request): void {
    this.#queues.remove(request);
  }

  ended(run: Run): void {
    this.#flows.served(run.function, this.#cluster.now);
  }

  advance(now: number): void {
    const failed: Choice[] = [];
    while (!this.#queues.isEmpty) {
      this.#flows.advance();
      const choice = this.#choose(failed);
      if (choice === undefined) return;
      const { device, request } = choice;
      if (runAlone(device, request, this.#eviction) === undefined) failed.push(choice);
      else {
        this.#queues.remove(request);
        this.#flows.served(request.function, now);
        this.#lastUsed = device.index;
      }
    }
  }

  #choose(failed: readonly Choice[]): Choice | undefined {
    let best: Choice | undefined;
    for (const device of inTurn(this.#cluster.devices, this.#lastUsed)) {
      if (!device.isUp || device.runs.size >= this.#runsAtATime) continue;
      for (const fn of this.#queues.functions) {
        if (this.#flows.isThrottled(fn)) continue;
        const choice = this.#choiceOf(fn, device);
        if (choice === undefined || (best !== undefined && !isBetter(choice, best))) continue;
        if (failed.some((one) => one.device === device && one.request === choice.request)) continue;
        best = choice;
      }
    }
    return best;
  }

  #choiceOf(fn: FunctionState, device: DeviceState): Choice | undefined {
    const request = this.#queues.firstFor(fn, device);
    if (request === undefined) return undefined;
    const length = this.#queues.length(fn);
    return { device, request, isThere: device.holds(fn), length, start: this.#flows.start(fn) };
  }
}

function isBetter(a: Choice, b: Choice): boolean {
  if (a.isThere !== b.isThere) return a.isThere;
  return a.length === b.length ? a.start < b.start : a.length > b.length;
}
