/**
 * Which functions keep their weights on which devices, and with how much of each. A pure step from one state to the
 * next: given the rates that are forecast, the actions that bring capacity up to them, and take away what has long
 * been too much. The rule is FaST-GShare's (ICPP'23); grow.ts and shrink.ts have its two halves. What there is no room
 * for is reported, and served by swapping in as far as it goes.
 */
import { actionsBetween, type ScalingAction } from "./actions.ts";
import { defaultScaling, type FunctionDemand, type ScalingOptions } from "./demand.ts";
import type { ScalingDevice } from "./device-space.ts";
import { capacityOf, type Fleet, fleetOf, replicasOf, withoutFunction } from "./fleet.ts";
import { grow } from "./grow.ts";
import { shrinkOnce } from "./shrink.ts";

export interface ScalingState {
  readonly fleet: Fleet;
  /** Since when functions have had more than they need. */
  readonly tooMuchSinceMs: ReadonlyMap<string, number>;
}

/** A function that has less capacity than its rate, as there is no room or it has no profile. */
export interface Shortage {
  readonly function: string;
  /** Calls a second. */
  readonly missing: number;
}

export interface ScalingStep {
  readonly state: ScalingState;
  /** In an order in which no device holds too much at any moment. */
  readonly actions: readonly ScalingAction[];
  readonly shortages: readonly Shortage[];
}

export const nothingScaled: ScalingState = { fleet: [], tooMuchSinceMs: new Map() };

/**
 * @param devices Those that are up. What was on others is gone without an action; what no longer fits goes by one.
 * @param demands All functions. Replicas of others are removed.
 */
export function scale(
  state: ScalingState,
  devices: readonly ScalingDevice[],
  demands: readonly FunctionDemand[],
  nowMs: number,
  options: ScalingOptions = defaultScaling,
): ScalingStep {
  const before = fleetOf(devices, state.fleet);
  const wanted = demands.filter(({ tier }) => tier === "device");
  let fleet = withoutUnwanted(before.fleet, new Set(wanted.map(({ name }) => name)));

  const tooMuchSinceMs = new Map<string, number>();
  for (const demand of wanted) {
    const smaller = shrinkOnce(fleet, demand, options);
    if (smaller === undefined) continue;
    const sinceMs = state.tooMuchSinceMs.get(demand.name) ?? nowMs;
    if (nowMs - sinceMs < options.shrinkAfterMs) tooMuchSinceMs.set(demand.name, sinceMs);
    else fleet = shrinkAll(smaller, demand, options);
  }
  // Whose calls wait most comes first.
  for (const demand of [...wanted].sort(
    (a, b) => servedPart(fleet, a) - servedPart(fleet, b) || byName(a, b),
  ))
    fleet = grow(fleet, demand, options);

  return {
    state: { fleet, tooMuchSinceMs },
    actions: [
      ...actionsBetween(before.held, fleet),
      ...demands
        .filter(({ tier, isInHost }) => tier === "store" && isInHost)
        .map(({ name }): ScalingAction => ({ type: "dropHost", function: name })),
    ],
    shortages: wanted.flatMap((demand) => {
      const missing = demand.rate - capacityOf(fleet, demand);
      const isNowhere = replicasOf(fleet, demand.name).length === 0;
      return missing > 0 || isNowhere ? [{ function: demand.name, missing: Math.max(0, missing) }] : [];
    }),
  };
}

function withoutUnwanted(fleet: Fleet, wanted: ReadonlySet<string>): Fleet {
  const names = new Set(fleet.flatMap(({ replicas }) => [...replicas.keys()]));
  return [...names].filter((name) => !wanted.has(name)).reduce(withoutFunction, fleet);
}

function shrinkAll(fleet: Fleet, demand: FunctionDemand, options: ScalingOptions): Fleet {
  let smaller: Fleet | undefined = fleet;
  let last = fleet;
  while (smaller !== undefined) {
    last = smaller;
    smaller = shrinkOnce(last, demand, options);
  }
  return last;
}

function servedPart(fleet: Fleet, demand: FunctionDemand): number {
  return demand.rate > 0 ? capacityOf(fleet, demand) / demand.rate : 1;
}

function byName(a: FunctionDemand, b: FunctionDemand): number {
  return a.name < b.name ? -1 : 1;
}
