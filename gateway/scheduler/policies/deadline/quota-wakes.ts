/**
 * When devices are to be looked at again because a quota made somebody wait: one wake is asked for at a time, the first, as
 * whoever drives the scheduler may forget those behind it.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { DeviceState } from "../../core/device-state.ts";

export class QuotaWakes {
  readonly #cluster: Cluster;
  /** The first that may run there. */
  readonly #allowedAt = new Map<DeviceState, number>();
  /** Of the wake that was asked for last and has not come. */
  #tickAt = Number.POSITIVE_INFINITY;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The device is being looked at: what was noted of it is out of date. */
  forget(device: DeviceState): void {
    this.#allowedAt.delete(device);
  }

  /** Somebody may run there then. */
  note(device: DeviceState, at: number): void {
    this.#allowedAt.set(device, Math.min(at, this.#allowedAt.get(device) ?? Number.POSITIVE_INFINITY));
  }

  /** Devices where somebody may run now who had to wait. */
  due(now: number): readonly DeviceState[] {
    if (now < this.#tickAt) return none;
    this.#tickAt = Number.POSITIVE_INFINITY;
    return [...this.#allowedAt].flatMap(([device, at]) => (at <= now ? [device] : []));
  }

  /** To be called after each event, when all has been noted. */
  ask(): void {
    let first = this.#tickAt;
    for (const at of this.#allowedAt.values()) first = Math.min(first, at);
    if (first === this.#tickAt) return;
    this.#tickAt = first;
    this.#cluster.wake(first);
  }
}

const none: readonly DeviceState[] = [];
