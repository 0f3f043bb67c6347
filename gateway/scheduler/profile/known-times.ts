/** What a scheduler takes from a measured profile: run times by batch size, and how much of a device a run fills. */
import type { KnownTime } from "../core/specs.ts";
import type { MeasuredPoint, MeasuredProfile } from "./measured-profile.ts";

/**
 * Run times by rows, ascending: medians of runs that had the device's time for themselves and none of their own beside
 * them, from the gateway's command to the answer. Inferred figures are left out.
 */
export function knownTimes(profile: Pick<MeasuredProfile, "class" | "rows" | "points">): KnownTime[] {
  return profile.points
    .filter((point) => isWholeTime(point) && point.lanes === 1)
    .map(({ batch, p50Ms }) => ({ class: profile.class, batch: batch * profile.rows, runMs: p50Ms }))
    .sort((a, b) => a.batch - b.batch);
}

/**
 * Part of the device that one run fills, in (0, 1]: what one lane answers, of what as many lanes as pay off answer, with
 * all of the time and a call a run. Undefined where that was not measured.
 */
export function occupancyOf({ points }: Pick<MeasuredProfile, "points">): number | undefined {
  const single = points.filter((point) => isWholeTime(point) && point.batch === 1);
  const alone = single.find(({ lanes }) => lanes === 1);
  if (alone === undefined || alone.throughput <= 0) return undefined;
  return alone.throughput / Math.max(...single.map(({ throughput }) => throughput));
}

function isWholeTime({ quota, runs }: MeasuredPoint): boolean {
  return quota === 1 && runs > 0;
}
