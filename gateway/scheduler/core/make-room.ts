/** Who leaves a device so that a function can come in: an eviction policy ranks, this takes the first that free enough. */
import { type EvictionPolicy, isKeptAlive, mayGo } from "../eviction/policy.ts";
import type { DeviceState } from "./device-state.ts";
import type { FunctionState } from "./function-state.ts";
import type { Residence } from "./residence.ts";

/**
 * @param bytes in all, free ones included.
 * @returns undefined where not even all that may go would do; nothing where there is room.
 */
export function victimsFor(
  device: DeviceState,
  bytes: number,
  policy: EvictionPolicy,
  now: number,
  mayLeave: (residence: Residence) => boolean = everybody,
): readonly Residence[] | undefined {
  let missing = bytes - device.freeBytes;
  if (missing <= 0) return nobody;
  const candidates: Residence[] = [];
  let most = 0;
  for (const residence of device.residences.values()) {
    if (!mayGo(residence) || !mayLeave(residence)) continue;
    candidates.push(residence);
    most += residence.bytes;
  }
  if (most < missing) return undefined;
  // Two lists of the same: whose turn it is, and who goes in it (eviction/order.ts).
  const turns: (Rank | undefined)[] = candidates.map((one) => ({
    isKept: isKeptAlive(one, now),
    tenant: one.tenant,
    priority: one.priority,
    bytes: Math.max(1, one.bytes),
    key: policy.key(one, now),
  }));
  const left = [...turns];
  const owedBytes = new Map<string, number>();
  const victims: Residence[] = [];
  // Few go and many stay: the smallest is looked for again each time, which beats sorting them all.
  while (missing > 0) {
    const turn = first(turns, isBefore);
    const { isKept, tenant, bytes: turnBytes } = turns[turn]!;
    turns[turn] = undefined;
    const group = `${isKept}/${tenant}`;
    let owed = (owedBytes.get(group) ?? 0) + turnBytes;
    while (owed > 0 && missing > 0) {
      const next = first(left, isLower, (one) => one.isKept === isKept && one.tenant === tenant);
      owed -= left[next]!.bytes;
      left[next] = undefined;
      const victim = candidates[next]!;
      victims.push(victim);
      missing -= victim.bytes;
    }
    owedBytes.set(group, owed);
  }
  return victims;
}

/** Whether a device could take a function once nothing there is in use: what is pinned stays for good. */
export function canMakeRoom(device: DeviceState, fn: FunctionState): boolean {
  if (device.holds(fn)) return true;
  return device.pinnedBytes + device.bytesOf(fn) <= device.budgetBytes;
}

const nobody: readonly Residence[] = [];
const everybody = () => true;

interface Rank {
  readonly isKept: boolean;
  readonly tenant: string;
  readonly priority: number;
  readonly bytes: number;
  readonly key: readonly number[];
}

/** Index of the first of those that are left. Equal ones keep the order in which they were used. */
function first(
  ranks: readonly (Rank | undefined)[],
  isBefore: (a: Rank, b: Rank) => boolean,
  isMeant: (rank: Rank) => boolean = everybody,
): number {
  let index = -1;
  let least: Rank | undefined;
  for (let i = 0; i < ranks.length; i++) {
    const rank = ranks[i];
    if (rank === undefined || !isMeant(rank) || (least !== undefined && !isBefore(rank, least))) continue;
    index = i;
    least = rank;
  }
  return index;
}

/** Of one tenant. */
function isLower(a: Rank, b: Rank): boolean {
  return a.priority === b.priority ? isBefore(a, b) : a.priority < b.priority;
}

function isBefore(a: Rank, b: Rank): boolean {
  if (a.isKept !== b.isKept) return b.isKept;
  for (let i = 0; i < a.key.length; i++) if (a.key[i] !== b.key[i]) return a.key[i]! < b.key[i]!;
  return false;
}
