/**
 * Copies of hot weights ahead of requests: where a device has room for which nobody has to go, and nothing comes in, it
 * gets the weights of the function whose requests wait most for the devices that hold them.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";

/** How often it is looked for what to copy. */
const intervalMs = 100;
/** A function whose devices are busy with it for less is served well by those that it has. */
const leastDemand = 0.05;
/** A bus that is busier is left to loads that somebody waits for. */
const mostUtilisation = 0.5;

export class Replication {
  readonly #cluster: Cluster;
  #nextAt = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Begins a load or none on each bus. To be called with every event; does something only now and then. */
  advance(now: number): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + intervalMs;
    for (const device of this.#cluster.devices) {
      const { bus } = device;
      if (!device.isUp || bus.loads > 0 || bus.utilisation(now) > mostUtilisation) continue;
      const fn = this.#mostWanted(device, now);
      if (fn !== undefined) this.#cluster.load(device, fn);
    }
  }

  #mostWanted(device: DeviceState, now: number): FunctionState | undefined {
    const { freeBytes } = device;
    if (freeBytes <= 0) return undefined;
    let best: FunctionState | undefined;
    let bestWaitMs = 0;
    for (const fn of this.#cluster.functions.values()) {
      if (fn.holders.size === 0 || fn.weightBytes > freeBytes || device.holds(fn)) continue;
      if (!fn.canRunOn(device)) continue;
      const runMs = device.runMs(fn, 1);
      const demand = (fn.usesPerSecond(now) * runMs) / 1_000 / fn.holders.size;
      // Of a second, roughly: so many come while another runs, and wait for half of it.
      const waitMs = demand * demand * 500;
      if (demand < leastDemand || waitMs <= bestWaitMs) continue;
      best = fn;
      bestWaitMs = waitMs;
    }
    return best;
  }
}
