/**
 * Locality-aware load balancing, and its out-of-order form LALBO3 (Zhao, Jha and Hong, arXiv 2303.05601): one queue for
 * all, one more a device. A request whose weights are on an idle device runs there; one whose weights are on busy
 * devices joins the queue of the one that is free soonest, where that is sooner than loading; otherwise it goes to an
 * idle device, which loads. LALBO3 lets an idle device look through the whole queue for something it holds; what was
 * passed over `limit` times is served in order. One request at a time on a device, least recently used weights leave.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { PolicyAtWork, SchedulingPolicy } from "../core/policy.ts";
import type { Request } from "../core/request.ts";
import { ArrivalQueue } from "./arrival-queue.ts";
import { runAlone } from "./run-alone.ts";

const traits = { overlapsLoads: false, sharesSpace: false };

export const lalb: SchedulingPolicy = {
  name: "lalb",
  traits,
  start: (cluster) => new Lalb(cluster, 0),
};

/** @param limit how often a request may be passed over; 25 in the paper. */
export function lalbo3With(limit: number): SchedulingPolicy {
  return { name: "lalbo3", traits, start: (cluster) => new Lalb(cluster, limit) };
}

export const lalbo3 = lalbo3With(25);

class Lalb implements PolicyAtWork {
  readonly #cluster: Cluster;
  readonly #limit: number;
  readonly #queue = new ArrivalQueue();
  /** Requests that wait for a device that holds their weights. */
  readonly #local = new Map<DeviceState, ArrivalQueue>();

  constructor(cluster: Cluster, limit: number) {
    this.#cluster = cluster;
    this.#limit = limit;
  }

  arrived(request: Request): void {
    this.#queue.push(request);
  }

  returned(request: Request): void {
    this.#queue.putBack(request);
  }

  withdrawn(request: Request): void {
    if (this.#queue.remove(request)) return;
    for (const queue of this.#local.values()) if (queue.remove(request)) return;
  }

  /** What waited for it there has lost its reason to. */
  deviceDown(device: DeviceState): void {
    for (const request of this.#localOf(device)) this.#queue.putBack(request);
    this.#local.delete(device);
  }

  advance(now: number): void {
    this.#drainLocal();
    if (this.#limit > 0) this.#outOfOrder();
    for (const request of this.#queue) {
      if (!this.#cluster.devices.some(isIdle)) return;
      this.#place(request, now);
    }
  }

  /** What can run there no more goes back to all. */
  #drainLocal(): void {
    for (const [device, queue] of this.#local) {
      for (const request of queue) {
        if (!device.isIdle) break;
        queue.remove(request);
        if (!request.mayRunOn(device) || runAlone(device, request) === undefined)
          this.#queue.putBack(request);
      }
    }
  }

  /** For each idle device the first request that it holds the weights of, passing over those before it. */
  #outOfOrder(): void {
    for (const device of this.#cluster.devices) {
      if (!device.isIdle) continue;
      const passed: Request[] = [];
      for (const request of this.#queue) {
        if (!request.mayRunOn(device)) continue;
        if (device.holds(request.function)) {
          if (runAlone(device, request) === undefined) break;
          this.#queue.remove(request);
          for (const one of passed) one.skips++;
          break;
        }
        if (request.skips >= this.#limit) break;
        passed.push(request);
      }
    }
  }

  /** It stays in the queue, and lets others by, where no idle device can take it. */
  #place(request: Request, now: number): void {
    const { function: fn } = request;
    const holders = [...fn.holders].filter((device) => device.isUp && request.mayRunOn(device));
    const idleHolder = holders.find(isIdle);
    if (idleHolder !== undefined) {
      if (runAlone(idleHolder, request) !== undefined) this.#queue.remove(request);
      return;
    }
    const waits = holders.map((device) => this.#waitMs(device, now));
    const leastMs = Math.min(...waits);
    for (const device of this.#cluster.devices) {
      if (!device.isIdle || !request.mayRunOn(device)) continue;
      const isSooner = leastMs < device.aloneLoadMs(fn);
      if (!isSooner && runAlone(device, request) === undefined) continue;
      this.#queue.remove(request);
      if (isSooner) this.#localOf(holders[waits.indexOf(leastMs)]!).push(request);
      return;
    }
  }

  /** What is left of its run, and the runs of its queue. */
  #waitMs(device: DeviceState, now: number): number {
    let waitMs = device.backlogMs(now);
    for (const { function: fn, rows } of this.#localOf(device)) waitMs += device.runMs(fn, rows);
    return waitMs;
  }

  #localOf(device: DeviceState): ArrivalQueue {
    let queue = this.#local.get(device);
    if (queue === undefined) {
      queue = new ArrivalQueue();
      this.#local.set(device, queue);
    }
    return queue;
  }
}

function isIdle(device: DeviceState): boolean {
  return device.isIdle;
}
