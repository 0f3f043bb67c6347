/**
 * Torpor (USENIX ATC'25, the later form of FaaSwap): functions in the order of required-requests.ts, one request of each
 * at a time, one run at a time on a device, which begins while its weights come in. An idle device that holds them is
 * taken first, else one whose way to host memory is least in use. Without copies between devices, which WebGPU has not.
 * It is a node's own scheduler: for several nodes start one for each, with functions dealt out between them.
 * Its ablations are parameters; SimpleSwap is all of them together.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import type { Run } from "../core/request.ts";
import { lru } from "../eviction/lru.ts";
import type { EvictionPolicy } from "../eviction/policy.ts";
import { torpor as heavySoleLast } from "../eviction/torpor.ts";
import { FunctionQueues } from "./function-queues.ts";
import { Queueing } from "./queueing.ts";
import { RrcOrder } from "./rrc-order.ts";
import { runAlone } from "./run-alone.ts";

export interface TorporOptions {
  /** By required request count, or by arrival. */
  readonly queue?: "rrc" | "fifo";
  /** By who holds the weights and who loads, or any idle device. */
  readonly placement?: "contention" | "random";
  readonly eviction?: EvictionPolicy;
}

export function torporWith(name: string, options: TorporOptions = {}): SchedulingPolicy {
  return {
    name,
    traits: { overlapsLoads: true, sharesSpace: false },
    start: (cluster) => new Torpor(cluster, options),
  };
}

export const torpor = torporWith("torpor");

export const simpleSwap = torporWith("simple-swap", { queue: "fifo", placement: "random", eviction: lru });

class Torpor extends Queueing<FunctionQueues> {
  readonly #eviction: EvictionPolicy;
  readonly #order: RrcOrder | undefined;
  readonly #isRandom: boolean;
  #lastUsed = -1;
  #random = 1;

  constructor(
    cluster: Cluster,
    { queue = "rrc", placement = "contention", eviction = heavySoleLast }: TorporOptions,
  ) {
    super(cluster, new FunctionQueues());
    this.#eviction = eviction;
    this.#order = queue === "rrc" ? new RrcOrder() : undefined;
    this.#isRandom = placement === "random";
  }

  ended({ requests }: Run): void {
    for (const request of requests)
      if (request.state === "ended") this.#order?.ended(request, this.cluster.now);
  }

  advance(now: number): void {
    this.#order?.advance(this.cluster.functions.values(), now);
    const tried = new Set<FunctionState>();
    while (!this.queue.isEmpty) {
      const idle = this.cluster.devices.filter((device) => device.isIdle);
      if (idle.length === 0) return;
      const fn = this.#next(tried);
      if (fn === undefined) return;
      tried.add(fn);
      this.#start(fn, idle);
    }
  }

  /** The first of those that wait, have nothing in flight and were not tried. */
  #next(tried: ReadonlySet<FunctionState>): FunctionState | undefined {
    let first: FunctionState | undefined;
    for (const fn of this.queue.functions)
      if (fn.running === 0 && !tried.has(fn) && (first === undefined || this.#isBefore(fn, first)))
        first = fn;
    return first;
  }

  #isBefore(a: FunctionState, b: FunctionState): boolean {
    return (this.#order?.compare(a, b) || this.queue.first(a)!.id - this.queue.first(b)!.id) < 0;
  }

  #start(fn: FunctionState, idle: readonly DeviceState[]): void {
    for (const device of this.#isRandom ? this.#shuffled(idle) : this.#ranked(idle, fn)) {
      const request = this.queue.firstFor(fn, device);
      if (request === undefined || runAlone(device, request, this.#eviction) === undefined) continue;
      this.queue.remove(request);
      this.#lastUsed = device.index;
      return;
    }
  }

  /** Who holds it first; then by what else loads on its bus; then, where Torpor leaves it open, by room and in turn. */
  #ranked(idle: readonly DeviceState[], fn: FunctionState): readonly DeviceState[] {
    const holder = idle.find((device) => device.holds(fn));
    if (holder !== undefined) return [holder, ...idle.filter((device) => device !== holder)];
    const count = this.cluster.devices.length;
    const turn = ({ index }: DeviceState) => (index - this.#lastUsed - 1 + count) % count;
    return idle
      .map((device) => ({ device, contention: this.#contention(device) }))
      .sort(
        (a, b) =>
          a.contention - b.contention ||
          b.device.freeBytes - a.device.freeBytes ||
          turn(a.device) - turn(b.device),
      )
      .map(({ device }) => device);
  }

  /** 0 where no neighbour on its bus loads, 1 where only light functions come in there, else 2. */
  #contention({ bus, loads }: DeviceState): number {
    if (bus.loads === loads) return 0;
    for (const neighbour of this.cluster.devices) {
      if (neighbour.bus !== bus) continue;
      for (const run of neighbour.runs) {
        const residence = neighbour.residences.get(run.function);
        if (residence?.state === "loading" && residence.isHeavy) return 2;
      }
    }
    return 1;
  }

  /** From any of them on: numbers of a linear congruential generator (Numerical Recipes), so that it can be repeated. */
  #shuffled(idle: readonly DeviceState[]): readonly DeviceState[] {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    const from = Math.floor((this.#random / 2 ** 32) * idle.length);
    return [...idle.slice(from), ...idle.slice(0, from)];
  }
}
