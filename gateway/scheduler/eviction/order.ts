/**
 * The order in which residents go: what all policies have in common, before the policy's own order.
 * Pinned and leased ones are not in it at all.
 */
import { type EvictionPolicy, heldBytes, isKeptAlive, mayGo, type Resident } from "./policy.ts";

/**
 * All residents that may go, first to go first. Those within their keepAlive come last: it is a promise to keep a
 * function warm while there is another choice. Then as the policy says, then by id: the order of `residents` does not
 * matter. That is how many bytes a tenant gives before others do; which of its functions give them is decided by their
 * priority first. So nobody's priority moves what others have, and where all are one tenant's it goes before the policy.
 */
export function evictionOrder(
  policy: EvictionPolicy,
  residents: readonly Resident[],
  nowMs: number,
): readonly Resident[] {
  const ranked = residents
    .filter(mayGo)
    .map((resident) => ({ resident, key: keyOf(policy, resident, nowMs) }))
    .sort((a, b) => compareKeys(a.key, b.key) || (a.resident.id < b.resident.id ? -1 : 1))
    .map(({ resident }) => resident);
  const groupOf = (resident: Resident) => `${isKeptAlive(resident, nowMs)}/${resident.tenant}`;
  const groups = new Map(
    [...Map.groupBy(ranked, groupOf)].map(([group, all]) => {
      const left = all.toReversed().sort((a, b) => b.priority - a.priority);
      return [group, { left, turns: all.length, owedBytes: 0 }];
    }),
  );
  const order: Resident[] = [];
  for (const resident of ranked) {
    const group = groups.get(groupOf(resident))!;
    group.owedBytes += bytesOf(resident);
    // Parts of what is shared are no whole numbers, so the last turn is everybody's who is left.
    const isLast = --group.turns === 0;
    while (group.left.length > 0 && (group.owedBytes > 0 || isLast)) {
      const next = group.left.pop()!;
      group.owedBytes -= bytesOf(next);
      order.push(next);
    }
  }
  return order;
}

/** One that holds none gives its turn all the same. */
function bytesOf(resident: Resident): number {
  return Math.max(1, heldBytes(resident));
}

function keyOf(policy: EvictionPolicy, resident: Resident, nowMs: number): readonly number[] {
  return [isKeptAlive(resident, nowMs) ? 1 : 0, ...policy.key(resident, nowMs)];
}

/** No difference is taken: it would be NaN for two infinities. */
function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) {
    if (value < b[i]!) return -1;
    if (value > b[i]!) return 1;
  }
  return 0;
}
