/**
 * Less capacity for a function that has too much: replicas go in ascending efficiency (FaST-GShare), or become smaller.
 * What stays is above the rate by the dead band, so that it is not given back at once: grow.ts adds only where
 * capacity is below the rate, and so the rate must first rise by the dead band.
 */
import { areaOf, type Configuration, efficiencyOf } from "../profile/configurations.ts";
import type { FunctionDemand, ScalingOptions } from "./demand.ts";
import { capacityOf, type Fleet, type Placed, placedOf, withConfiguration, withoutPlaced } from "./fleet.ts";

/** One replica fewer, or a smaller one; undefined where all are needed. The last one stays, and one where the function is pinned. */
export function shrinkOnce(fleet: Fleet, demand: FunctionDemand, options: ScalingOptions): Fleet | undefined {
  const needed = demand.rate * (1 + options.deadBand);
  const spare = capacityOf(fleet, demand) - needed;
  const placed = [...placedOf(fleet, demand)].sort(
    (a, b) => efficiencyOf(a.configuration) - efficiencyOf(b.configuration) || a.index - b.index,
  );
  if (placed.length > 1) {
    const leaving = placed.find(
      ({ index, configuration }) => configuration.throughput <= spare && fleet[index]!.id !== demand.home,
    );
    if (leaving !== undefined) return withoutPlaced(fleet, leaving.index, demand.name);
  }
  if (!options.isVertical) return undefined;
  for (const one of placed) {
    const smaller = reduce(fleet, demand, one, one.configuration.throughput - spare);
    if (smaller !== undefined) return smaller;
  }
  return undefined;
}

/** The smallest configuration of less area that still has this throughput. */
function reduce(
  fleet: Fleet,
  demand: FunctionDemand,
  { index, configuration }: Placed,
  throughput: number,
): Fleet | undefined {
  const isSmaller = (one: Configuration) =>
    areaOf(one) < areaOf(configuration) && one.throughput >= throughput;
  const candidates = (demand.configurations.get(fleet[index]!.kind) ?? [])
    .filter(isSmaller)
    .sort((a, b) => areaOf(a) - areaOf(b) || b.throughput - a.throughput);
  for (const next of candidates) {
    const smaller = withConfiguration(fleet, index, demand, next);
    if (smaller !== undefined) return smaller;
  }
  return undefined;
}
