/**
 * The way of several devices to host memory, which all that load at a time share equally: how many do, when each is
 * expected to end, how busy it has been of late, how many loads it had, and for how long a load has had it for itself, so
 * to speak (one that shares it for 8 ms has had 4).
 */
import type { DeviceState } from "./device-state.ts";

/** What was before counts half as much in `utilisation` and `loadsPerSecond` after so long. */
const halfLifeMs = 5_000;
/** What rounding may leave of a load. */
const toleranceMs = 1e-6;

/** Weights that are coming in. */
export interface BusLoad {
  readonly device: DeviceState;
  /** Expected to be left, with the bus for itself, as of when the bus was last looked at. */
  leftMs: number;
}

export class Bus {
  /** Devices at it. */
  devices = 0;
  readonly #loads = new Set<BusLoad>();
  #at = 0;
  #ownMs = 0;
  #utilisation = 0;
  #loadsPerSecond = 0;

  /** Weights that are coming in. */
  get loads(): number {
    return this.#loads.size;
  }

  /** @param ownMs expected of it with the bus for itself. */
  begin(now: number, device: DeviceState, ownMs: number): BusLoad {
    this.#advance(now);
    const load: BusLoad = { device, leftMs: ownMs };
    this.#loads.add(load);
    this.#loadsPerSecond += (Math.LN2 * 1_000) / halfLifeMs;
    return load;
  }

  end(now: number, load: BusLoad): void {
    this.#advance(now);
    this.#loads.delete(load);
  }

  /** Milliseconds until a load is expected to end, while no other comes; 0 where it should have ended. */
  leftMs(now: number, load: BusLoad): number {
    this.#advance(now);
    let leftMs = load.leftMs;
    for (const other of this.#loads) if (other !== load) leftMs += Math.min(other.leftMs, load.leftMs);
    return leftMs;
  }

  /** Milliseconds that are left of a device's loads, with the bus for themselves. */
  lineMs(now: number, device: DeviceState): number {
    this.#advance(now);
    let lineMs = 0;
    for (const load of this.#loads) if (load.device === device) lineMs += load.leftMs;
    return lineMs;
  }

  /**
   * Milliseconds by which the loads of other devices delay one that needs the bus for `ownMs`, and it them: all move at the
   * same rate until they are done.
   */
  besideMs(now: number, device: DeviceState, ownMs: number): number {
    this.#advance(now);
    let besideMs = 0;
    for (const load of this.#loads) if (load.device !== device) besideMs += Math.min(load.leftMs, ownMs);
    return besideMs;
  }

  /** Since the beginning; differences are of use. */
  ownMs(now: number): number {
    this.#advance(now);
    return this.#ownMs;
  }

  /** Part of the last seconds in which anything came in, 0 to 1. */
  utilisation(now: number): number {
    this.#advance(now);
    return this.#utilisation;
  }

  /** Loads that began in the last seconds, as a rate. */
  loadsPerSecond(now: number): number {
    this.#advance(now);
    return this.#loadsPerSecond;
  }

  /** What is expected to end leaves its part to the others. */
  #move(elapsedMs: number): void {
    let leftMs = elapsedMs;
    while (leftMs > 0) {
      let moving = 0;
      let leastMs = Number.POSITIVE_INFINITY;
      for (const load of this.#loads) {
        if (load.leftMs <= 0) continue;
        moving++;
        leastMs = Math.min(leastMs, load.leftMs);
      }
      if (moving === 0) return;
      const partMs = Math.min(leastMs, leftMs / moving);
      for (const load of this.#loads) {
        const restMs = load.leftMs - partMs;
        load.leftMs = restMs > toleranceMs ? restMs : 0;
      }
      leftMs -= partMs * moving;
      if (partMs < leastMs) return;
    }
  }

  #advance(now: number): void {
    if (now <= this.#at) return;
    const old = 2 ** ((this.#at - now) / halfLifeMs);
    this.#loadsPerSecond *= old;
    this.#utilisation = old * this.#utilisation + (this.loads > 0 ? 1 - old : 0);
    if (this.loads > 0) {
      this.#ownMs += (now - this.#at) / this.loads;
      this.#move(now - this.#at);
    }
    this.#at = now;
  }
}
