/** Who goes so that another function can come in: the common part of eviction, whichever policy ranks. */
import { formatBytes } from "../../text.ts";
import { FreedBytes } from "./freed.ts";
import { evictionOrder } from "./order.ts";
import { type EvictionPolicy, isKeptAlive, type Resident } from "./policy.ts";
import { formatDuration } from "./words.ts";

export interface Eviction {
  readonly id: string;
  /** For a label of metrics: room was needed, or nobody asked for longer. */
  readonly cause: "room" | "expired";
  /** In words, for the API and the log: `least recently used: idle for 41.2 s; 97.5 MiB needed for 'bert'`. */
  readonly reason: string;
}

export interface RoomNeeded {
  /** Beyond what is free now. 0 or less needs no victim. */
  readonly bytes: number;
  /** The function that comes in. */
  readonly for: string;
}

export interface Victims {
  /** In the order in which they are to go. */
  readonly victims: readonly Eviction[];
  /** At least what was needed. */
  readonly freedBytes: number;
}

/**
 * The first of the eviction order that together free enough, without those that turn out superfluous.
 *
 * Beginning with the last to go, each is spared where the others suffice. So every victim is needed even if all
 * that rank before it went too: a function stays in place of one that ranks after it only where its own going
 * would not have saved that one (a small one, where a large one has to go anyway). In particular one of
 * higher priority than others of its tenant's goes only where those and all that rank before it are not enough, and one
 * within its keepAlive where all that are not in theirs are not.
 *
 * @returns undefined exactly where not even all that may go would free enough.
 * @throws RangeError where the bytes needed are NaN.
 */
export function chooseVictims(
  policy: EvictionPolicy,
  residents: readonly Resident[],
  needed: RoomNeeded,
  nowMs: number,
): Victims | undefined {
  if (Number.isNaN(needed.bytes)) throw new RangeError(`No number of bytes needed for '${needed.for}'`);
  const freed = new FreedBytes();
  const chosen: Resident[] = [];
  for (const resident of evictionOrder(policy, residents, nowMs)) {
    if (freed.total >= needed.bytes) break;
    freed.add(resident);
    chosen.push(resident);
  }
  if (freed.total < needed.bytes) return undefined;
  const spared = new Set<Resident>();
  for (const resident of chosen.toReversed()) {
    freed.remove(resident);
    if (freed.total >= needed.bytes) spared.add(resident);
    else freed.add(resident);
  }
  const victims = chosen
    .filter((resident) => !spared.has(resident))
    .map((resident) => ({
      id: resident.id,
      cause: "room" as const,
      reason: reasonOf(policy, resident, needed, nowMs),
    }));
  return { victims, freedBytes: freed.total };
}

function reasonOf(policy: EvictionPolicy, resident: Resident, needed: RoomNeeded, nowMs: number): string {
  const parts = [policy.explain(resident, nowMs)];
  if (resident.priority !== 0) parts.push(`its priority is ${resident.priority}`);
  if (isKeptAlive(resident, nowMs)) {
    const rest = formatDuration(resident.keepUntilMs! - nowMs);
    parts.push(`to be kept ${rest} more, but nothing else makes enough room`);
  }
  parts.push(`${formatBytes(needed.bytes)} needed for '${needed.for}'`);
  return parts.join("; ");
}
