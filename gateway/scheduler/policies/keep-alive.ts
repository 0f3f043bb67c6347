/**
 * INFless with keep-alive, as Torpor (USENIX ATC'25) compares itself with it: a function's process stays on its device
 * for the 99th percentile of the times between its calls, and is never evicted before. Where no device has room a
 * request waits. One run at a time on a device, by arrival; a process that starts holds up nobody.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { PolicyAtWork, SchedulingPolicy } from "../core/policy.ts";
import type { Request, Run } from "../core/request.ts";
import type { Residence } from "../core/residence.ts";
import { formatDuration } from "../eviction/words.ts";
import { FunctionQueues } from "./function-queues.ts";
import { InterArrivals } from "./inter-arrivals.ts";
import { runEarliest } from "./run-earliest.ts";

/** Of the times between calls. */
const keptQuantile = 0.99;
/** Until there were two calls: ten minutes, which is usual where a fixed time is kept (from memory: OpenWhisk). */
export const unknownKeepAliveMs = 600_000;

/** @param keepAliveMs by function, from a trace that is known beforehand; left out: learned from the calls so far. */
export function keepAliveWith(keepAliveMs?: (fn: string) => number): SchedulingPolicy {
  return {
    name: "keep-alive",
    traits: { overlapsLoads: false, sharesSpace: false, coldStart: "process" },
    start: (cluster) => new KeepAlive(cluster, keepAliveMs),
  };
}

export const keepAlive = keepAliveWith();

class KeepAlive implements PolicyAtWork {
  readonly #cluster: Cluster;
  readonly #given: ((fn: string) => number) | undefined;
  readonly #queues = new FunctionQueues();
  readonly #interArrivals = new WeakMap<FunctionState, InterArrivals>();
  /** No keep-alive ends before. */
  #nextEndMs = Number.POSITIVE_INFINITY;
  #wakeAtMs = Number.NEGATIVE_INFINITY;

  constructor(cluster: Cluster, given: ((fn: string) => number) | undefined) {
    this.#cluster = cluster;
    this.#given = given;
  }

  arrived(request: Request): void {
    this.#interArrivalsOf(request.function).arrived(this.#cluster.now);
    this.#queues.push(request);
  }

  returned(request: Request): void {
    this.#queues.putBack(request);
  }

  withdrawn(request: Request): void {
    this.#queues.remove(request);
    this.#unused(request.function);
  }

  ended({ function: fn }: Run): void {
    this.#unused(fn);
  }

  loaded(_device: DeviceState, fn: FunctionState): void {
    this.#unused(fn);
  }

  advance(now: number): void {
    if (now >= this.#nextEndMs) this.#evictEnded(now);
    runEarliest(this.#queues);
    for (const fn of this.#queues.functions) this.#start(fn);
    this.#wakeAtNextEnd(now);
  }

  /** A process for the function, where the first request that can have one has none. */
  #start(fn: FunctionState): void {
    for (const request of this.#queues.of(fn)) {
      for (const device of fn.holders) if (device.isUp && request.mayRunOn(device)) return;
      const device = this.#roomiest(request);
      if (device !== undefined) this.#cluster.load(device, fn);
      if (device !== undefined || request.boundTo === undefined) return;
    }
  }

  /** Of the devices with room for it as they are. */
  #roomiest(request: Request): DeviceState | undefined {
    let roomiest: DeviceState | undefined;
    for (const device of this.#cluster.devices) {
      if (!device.isUp || !request.mayRunOn(device)) continue;
      if (device.freeBytes < device.bytesOf(request.function)) continue;
      if (roomiest === undefined || device.freeBytes > roomiest.freeBytes) roomiest = device;
    }
    return roomiest;
  }

  #evictEnded(now: number): void {
    this.#nextEndMs = Number.POSITIVE_INFINITY;
    for (const device of this.#cluster.devices) {
      for (const residence of [...device.residences.values()]) {
        const endMs = this.#endMs(residence);
        if (endMs > now) this.#nextEndMs = Math.min(this.#nextEndMs, endMs);
        else {
          const { function: fn } = residence;
          const kept = fn.isRemoved ? "it was removed" : `not called for ${formatDuration(this.#keepMs(fn))}`;
          this.#cluster.evict(device, fn, kept);
        }
      }
    }
  }

  /** Point in time; without an end while somebody uses it, or waits who can use it there. */
  #endMs({ function: fn, device, isLeased, isPinned, loadedAtMs, lastUsedMs }: Residence): number {
    if (isLeased || isPinned || this.#queues.firstFor(fn, device) !== undefined)
      return Number.POSITIVE_INFINITY;
    if (fn.isRemoved) return Number.NEGATIVE_INFINITY;
    return Math.max(loadedAtMs, lastUsedMs) + this.#keepMs(fn);
  }

  #unused(fn: FunctionState): void {
    for (const device of fn.holders)
      this.#nextEndMs = Math.min(this.#nextEndMs, this.#endMs(device.residences.get(fn)!));
  }

  #wakeAtNextEnd(now: number): void {
    if (this.#nextEndMs === Number.POSITIVE_INFINITY) return;
    if (this.#wakeAtMs > now && this.#wakeAtMs <= this.#nextEndMs) return;
    this.#wakeAtMs = this.#nextEndMs;
    this.#cluster.wake(this.#nextEndMs);
  }

  #keepMs(fn: FunctionState): number {
    return this.#given?.(fn.id) ?? this.#interArrivalsOf(fn).quantile(keptQuantile) ?? unknownKeepAliveMs;
  }

  #interArrivalsOf(fn: FunctionState): InterArrivals {
    let interArrivals = this.#interArrivals.get(fn);
    if (interArrivals === undefined) {
      interArrivals = new InterArrivals();
      this.#interArrivals.set(fn, interArrivals);
    }
    return interArrivals;
  }
}
