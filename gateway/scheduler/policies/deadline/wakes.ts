/**
 * When devices are to be looked at again though nothing may happen: a quota made somebody wait, or weights, of which some
 * devices tell only later that they are there, or a run that is to have the next one behind it before it ends. One wake is
 * asked for at a time, the first, as whoever drives the scheduler may forget those behind it.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { DeviceState } from "../../core/device-state.ts";

export class Wakes {
  readonly #cluster: Cluster;
  /** For the first that waits there. */
  readonly #wakeAt = new Map<DeviceState, number>();
  /** Of the wake that was asked for last and has not come. */
  #tickAt = Number.POSITIVE_INFINITY;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The device is being looked at: what was noted of it is out of date. */
  forget(device: DeviceState): void {
    this.#wakeAt.delete(device);
  }

  /** Somebody may have a place there then. @param at infinity: never. */
  note(device: DeviceState, at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    this.#wakeAt.set(device, Math.min(at, this.#wakeAt.get(device) ?? Number.POSITIVE_INFINITY));
  }

  /** Devices that are to be looked at now. */
  due(now: number): readonly DeviceState[] {
    if (now < this.#tickAt) return none;
    this.#tickAt = Number.POSITIVE_INFINITY;
    return [...this.#wakeAt].flatMap(([device, at]) => (at <= now ? [device] : []));
  }

  /** To be called after each event, when all has been noted. */
  ask(): void {
    let first = this.#tickAt;
    for (const at of this.#wakeAt.values()) first = Math.min(first, at);
    if (first === this.#tickAt) return;
    this.#tickAt = first;
    this.#cluster.wake(first);
  }
}

const none: readonly DeviceState[] = [];
