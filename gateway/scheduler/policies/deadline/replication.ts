/**
 * Copies of hot weights ahead of requests: where a device has room for which nobody has to go, and nothing comes in, it
 * gets the weights of the function whose requests wait most for the devices that hold them.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { FunctionState } from "../../core/function-state.ts";

/** How often it is looked for what to copy. */
const intervalMs = 100;
/** A function whose devices are busy with it for less is served well by those that it has. */
const leastDemand = 0.05;
/** A bus that is busier is left to loads that somebody waits for. */
const mostUtilisation = 0.5;
/** A copy where runs take more than so many times as long takes hardly anything off those that have one. */
const mostSlowdown = 2;

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
    let wanted: readonly FunctionState[] | undefined;
    for (const device of this.#cluster.devices) {
      const { bus, freeBytes } = device;
      if (!device.isUp || freeBytes <= 0 || bus.loads > 0 || bus.utilisation(now) > mostUtilisation) continue;
      wanted ??= this.#mostWanted(now);
      const fn = wanted.find(
        (one) =>
          device.bytesOf(one) <= freeBytes &&
          !device.holds(one) &&
          one.canRunOn(device) &&
          device.runMs(one, 1) <= mostSlowdown * heldRunMs(one),
      );
      if (fn !== undefined) this.#cluster.load(device, fn);
    }
  }

  /** Those whose requests wait for the devices that hold them, the longest waits first. */
  #mostWanted(now: number): readonly FunctionState[] {
    const wanted: { readonly fn: FunctionState; readonly demand: number }[] = [];
    for (const fn of this.#cluster.functions.values()) {
      const { size: copies } = fn.holders;
      if (copies === 0 || copies === this.#cluster.devices.length) continue;
      const demand = (fn.usesPerSecond(now) * heldRunMs(fn)) / 1_000 / copies;
      if (demand >= leastDemand) wanted.push({ fn, demand });
    }
    // So many come while another runs, and wait for half of it: waiting goes with the square.
    return wanted.sort((a, b) => b.demand - a.demand).map(({ fn }) => fn);
  }
}

/** Of a run on the fastest device that has the weights; there is one. */
function heldRunMs(fn: FunctionState): number {
  let fastestMs = Number.POSITIVE_INFINITY;
  for (const device of fn.holders) fastestMs = Math.min(fastestMs, device.runMs(fn, 1));
  return fastestMs;
}
