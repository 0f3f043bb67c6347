/**
 * More capacity for a function: as many replicas of an efficient configuration as the missing rate has room for, then
 * the smallest configuration that answers the rest (FaST-GShare). As a function's weights are on a device once, what
 * would be a second replica there is a larger one instead. Where nothing is enough, what adds most.
 */
import {
  above,
  areaOf,
  type Configuration,
  efficiencyOf,
  largestEfficient,
  mostEfficient,
} from "../profile/configurations.ts";
import type { FunctionDemand, ScalingOptions } from "./demand.ts";
import { chooseSpace } from "./device-space.ts";
import { capacityOf, type Fleet, type Placed, placedOf, replicasOf, withConfiguration } from "./fleet.ts";

/** A function that is to be on a device gets a replica also where no calls are forecast. */
export function grow(fleet: Fleet, demand: FunctionDemand, options: ScalingOptions): Fleet {
  let grown = addEfficient(addAtHome(fleet, demand), demand, options);
  while (capacityOf(grown, demand) < demand.rate || replicasOf(grown, demand.name).length === 0) {
    const missing = Math.max(0, demand.rate - capacityOf(grown, demand));
    const next =
      (options.isVertical ? enlarge(grown, demand, missing) : undefined) ??
      add(grown, demand, missing) ??
      gainMost(grown, demand, options);
    if (next === undefined) break;
    grown = next;
  }
  return grown;
}

/** Where it is pinned: the smallest configuration that is enough and fits, or what answers most. */
function addAtHome(fleet: Fleet, demand: FunctionDemand): Fleet {
  const index = fleet.findIndex(({ id }) => id === demand.home);
  const home = fleet[index];
  if (home === undefined || home.replicas.has(demand.name)) return fleet;
  const all = demand.configurations.get(home.kind) ?? [];
  const enough = above(all, Math.max(0, demand.rate - capacityOf(fleet, demand)));
  const less = all.toSorted((a, b) => b.throughput - a.throughput || areaOf(a) - areaOf(b));
  return firstOf([...enough, ...less], (next) => withConfiguration(fleet, index, demand, next)) ?? fleet;
}

/** ⌊missing / T(p_eff)⌋ replicas of p_eff, on the kinds of devices first that it is most efficient on. */
function addEfficient(fleet: Fleet, demand: FunctionDemand, { leastEfficiency }: ScalingOptions): Fleet {
  let grown = fleet;
  for (const [kind, all] of byEfficiency(demand)) {
    for (;;) {
      const missing = demand.rate - capacityOf(grown, demand);
      const efficient = largestEfficient(all, missing, leastEfficiency);
      if (efficient === undefined || efficient.throughput > missing) break;
      const next = addOn(grown, demand, efficient, kind);
      if (next === undefined) break;
      grown = next;
    }
  }
  return grown;
}

function byEfficiency({ configurations }: FunctionDemand) {
  const efficiency = (all: readonly Configuration[]) => {
    const best = mostEfficient(all);
    return best === undefined ? 0 : efficiencyOf(best);
  };
  return [...configurations].sort(([, a], [, b]) => efficiency(b) - efficiency(a));
}

/** A replica that is there becomes just large enough for what is missing: that which takes least more of its device. */
function enlarge(fleet: Fleet, demand: FunctionDemand, missing: number): Fleet | undefined {
  const candidates = placedOf(fleet, demand)
    .flatMap((placed) => {
      const larger = above(
        configurationsAt(fleet, demand, placed),
        placed.configuration.throughput + missing,
      );
      return larger.map((next) => ({ placed, next, costs: areaOf(next) - areaOf(placed.configuration) }));
    })
    .sort((a, b) => a.costs - b.costs);
  return firstOf(candidates, ({ placed, next }) => withConfiguration(fleet, placed.index, demand, next));
}

/** A new replica of the smallest configuration that is enough and has a place. */
function add(fleet: Fleet, demand: FunctionDemand, missing: number): Fleet | undefined {
  const candidates = [...demand.configurations]
    .flatMap(([kind, all]) => above(all, missing).map((next) => ({ kind, next })))
    .sort((a, b) => areaOf(a.next) - areaOf(b.next) || b.next.throughput - a.next.throughput);
  return firstOf(candidates, ({ kind, next }) => addOn(fleet, demand, next, kind));
}

/** Nothing alone is enough: whatever adds most calls a second, as a new replica or a larger one. */
function gainMost(fleet: Fleet, demand: FunctionDemand, { isVertical }: ScalingOptions): Fleet | undefined {
  const larger = isVertical
    ? placedOf(fleet, demand).flatMap((placed) =>
        above(configurationsAt(fleet, demand, placed), placed.configuration.throughput).map((next) => ({
          gain: next.throughput - placed.configuration.throughput,
          area: areaOf(next) - areaOf(placed.configuration),
          apply: () => withConfiguration(fleet, placed.index, demand, next),
        })),
      )
    : [];
  const added = [...demand.configurations].flatMap(([kind, all]) =>
    all.map((next) => ({
      gain: next.throughput,
      area: areaOf(next),
      apply: () => addOn(fleet, demand, next, kind),
    })),
  );
  const candidates = [...larger, ...added].sort((a, b) => b.gain - a.gain || a.area - b.area);
  return firstOf(candidates, ({ apply }) => apply());
}

function addOn(
  fleet: Fleet,
  { name, bytes, heldBy }: FunctionDemand,
  { quota, share }: Configuration,
  kind: string,
) {
  const replica = { function: name, bytes, quota, share };
  const chosen = chooseSpace(fleet, replica, (space) => space.kind === kind, heldBy);
  return chosen && fleet.with(chosen.index, chosen.space);
}

function configurationsAt(fleet: Fleet, { configurations }: FunctionDemand, { index }: Placed) {
  return configurations.get(fleet[index]!.kind) ?? [];
}

function firstOf<T>(candidates: readonly T[], apply: (one: T) => Fleet | undefined): Fleet | undefined {
  for (const one of candidates) {
    const fleet = apply(one);
    if (fleet !== undefined) return fleet;
  }
  return undefined;
}
