/**
 * The order in which residents go: what all policies have in common, before the policy's own order.
 * Pinned and leased ones are not in it at all.
 */
import { type EvictionPolicy, isKeptAlive, mayGo, type Resident } from "./policy.ts";

/**
 * All residents that may go, first to go first. Those within their keepAlive come last: it is a promise to keep a
 * function warm while there is another choice. Then by priority, lower ones first, then as the policy says, then
 * by id: the order of `residents` does not matter.
 */
export function evictionOrder(
  policy: EvictionPolicy,
  residents: readonly Resident[],
  nowMs: number,
): readonly Resident[] {
  return residents
    .filter(mayGo)
    .map((resident) => ({ resident, key: keyOf(policy, resident, nowMs) }))
    .sort((a, b) => compareKeys(a.key, b.key) || (a.resident.id < b.resident.id ? -1 : 1))
    .map(({ resident }) => resident);
}

function keyOf(policy: EvictionPolicy, resident: Resident, nowMs: number): readonly number[] {
  return [isKeptAlive(resident, nowMs) ? 1 : 0, resident.priority, ...policy.key(resident, nowMs)];
}

/** No difference is taken: it would be NaN for two infinities. */
function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) {
    if (value < b[i]!) return -1;
    if (value > b[i]!) return 1;
  }
  return 0;
}
