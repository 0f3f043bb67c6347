/** Which parts of a device are worth giving to a function: FaST-GShare's efficiency, and the choices that rest on it. */
import { gridOf } from "./grid.ts";
import type { Profile, ProfilePoint } from "./profile.ts";

/** A point of a profile as something to be chosen; its batch size is the best for its quota and share. */
export type Configuration = ProfilePoint;

export interface ConfigurationLimits {
  /** Leave out what answers later: of 98 in 100 calls. */
  readonly maxP98Ms?: number;
}

/**
 * One configuration for each quota and share: that with the batch size of highest throughput (of equals the smallest)
 * among those within the limits. Ascending by area, of equals the one with more throughput first. Empty where nothing
 * is within the limits.
 */
export function configurationsOf(
  profile: Profile,
  { maxP98Ms = Number.POSITIVE_INFINITY }: ConfigurationLimits = {},
): readonly Configuration[] {
  const grid = gridOf(profile);
  return grid.quotas
    .flatMap((quota) =>
      grid.shares.flatMap((share) => {
        const fast = grid.batches
          .map((batch) => grid.at(quota, share, batch)!)
          .filter(({ throughput, p98Ms }) => throughput > 0 && p98Ms <= maxP98Ms);
        return fast.length === 0
          ? []
          : [fast.reduce((best, next) => (next.throughput > best.throughput ? next : best))];
      }),
    )
    .sort((a, b) => areaOf(a) - areaOf(b) || b.throughput - a.throughput);
}

/** FaST-GShare's RPR: calls a second for a whole device's worth of quota × share. */
export function efficiencyOf(configuration: Configuration): number {
  return configuration.throughput / areaOf(configuration);
}

/** Highest RPR; of equals the one with more throughput. Undefined where there is none. */
export function mostEfficient(configurations: readonly Configuration[]): Configuration | undefined {
  const rank = (one: Configuration) => [efficiencyOf(one), one.throughput] as const;
  return configurations.reduce<Configuration | undefined>((best, next) => {
    if (best === undefined) return next;
    const [[a, b], [c, d]] = [rank(next), rank(best)];
    return a > c || (a === c && b > d) ? next : best;
  }, undefined);
}

/**
 * Most throughput, up to a rate, among those that are at least this part as efficient as the most efficient one: the
 * work of several small parts in one larger part. The most efficient one itself where none of them is within the rate.
 */
export function largestEfficient(
  configurations: readonly Configuration[],
  rate: number,
  leastEfficiency: number,
): Configuration | undefined {
  const best = mostEfficient(configurations);
  if (best === undefined) return undefined;
  return configurations
    .filter((one) => one.throughput <= rate && efficiencyOf(one) >= leastEfficiency * efficiencyOf(best))
    .reduce((largest, next) => (next.throughput > largest.throughput ? next : largest), best);
}

/** All with more throughput than a rate, in the order of `configurationsOf`. */
export function above(configurations: readonly Configuration[], rate: number): readonly Configuration[] {
  return configurations.filter(({ throughput }) => throughput > rate);
}

/**
 * Smallest area with throughput above a rate; undefined where none has it. FaST-GShare takes the smallest throughput
 * instead, which is the same where throughput rises with area; where it does not, area is what a device has little of.
 */
export function smallestAbove(
  configurations: readonly Configuration[],
  rate: number,
): Configuration | undefined {
  return above(configurations, rate)[0];
}

export function areaOf({ quota, share }: { readonly quota: number; readonly share: number }): number {
  return quota * share;
}
