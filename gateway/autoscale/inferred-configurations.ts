/**
 * What a version that nobody has profiled can do with parts of a device: as many calls as its runs, one after another,
 * leave time for. Runs that go side by side or together answer more, so it is given rather too much than too little.
 */
import type { FunctionState } from "../scheduler/core/function-state.ts";
import type { Configuration } from "../scheduler/profile/configurations.ts";

/** Small ones among them, so that many functions that are seldom called have a place on one device. */
const quotas = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1];
/** Shorter runs are counted as so long: what a run takes beside the device's time is not seen here. */
const shortestMs = 0.01;

/**
 * By class of devices, from what the scheduler has learned of run times; empty where it has learned nothing.
 * @param units what it takes for functions, of one version: those that are called more count for more.
 */
export function inferredConfigurations(
  units: readonly FunctionState[],
): ReadonlyMap<string, readonly Configuration[]> {
  const classes = new Set(units.flatMap(({ allTimes }) => [...allTimes.keys()]));
  const all = new Map<string, readonly Configuration[]>();
  for (const deviceClass of classes) {
    const known = units.filter((unit) => isKnown(unit, deviceClass));
    if (known.length === 0) continue;
    const ms = (p: number) =>
      Math.max(
        shortestMs,
        weightedMean(known, (unit) => unit.times(deviceClass).quantile(1, p)),
      );
    const [medianMs, highMs] = [ms(0.5), ms(0.98)];
    all.set(
      deviceClass,
      quotas.map((quota) => ({
        ...{ quota, share: 1, batch: 1, throughput: (quota * 1_000) / medianMs, runs: 0 },
        ...{ p50Ms: medianMs / quota, p98Ms: Math.max(medianMs, highMs) / quota },
      })),
    );
  }
  return all;
}

function isKnown({ allTimes }: FunctionState, deviceClass: string): boolean {
  const times = allTimes.get(deviceClass);
  return times !== undefined && !times.known()[Symbol.iterator]().next().done;
}

/** By uses; one that has had none counts as one use. */
function weightedMean(units: readonly FunctionState[], value: (unit: FunctionState) => number): number {
  let sum = 0;
  let weights = 0;
  for (const unit of units) {
    const weight = Math.max(1, unit.uses);
    sum += weight * value(unit);
    weights += weight;
  }
  return sum / weights;
}
