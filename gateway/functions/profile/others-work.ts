/**
 * How long a device works for others while something is measured on it: uses of each Program that were not our own, times
 * what its runs take. An estimate, as runs of several functions share rounds; GPU sessions of handlers are not seen.
 */
import type { Residence } from "../../devices/residence.ts";

type Uses = Pick<Residence, "id" | "uses"> & { readonly estimate: Pick<Residence["estimate"], "executeMs"> };

/** Our runs by Program, counted as they begin. */
export type OwnRuns = ReadonlyMap<string, number>;

/** @param residences read now and again when the result is asked. @returns milliseconds since now. */
export function watchOthers(residences: () => Iterable<Readonly<Uses>>, own: OwnRuns): () => number {
  const usedBefore = new Map<string, number>();
  for (const { id, uses } of residences()) usedBefore.set(id, uses);
  const ownBefore = new Map(own);
  return () => {
    let totalMs = 0;
    for (const { id, uses, estimate } of residences()) {
      const all = uses - (usedBefore.get(id) ?? 0);
      const ours = (own.get(id) ?? 0) - (ownBefore.get(id) ?? 0);
      totalMs += Math.max(0, all - ours) * (estimate.executeMs ?? 0);
    }
    return totalMs;
  };
}
