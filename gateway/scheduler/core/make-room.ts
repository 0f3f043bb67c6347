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
  const ranks: (Rank | undefined)[] = candidates.map((one) => ({
    isKept: isKeptAlive(one, now),
    priority: one.priority,
    key: policy.key(one, now),
  }));
  const victims: Residence[] = [];
  // Few go and many stay: the smallest is looked for again each time, which beats sorting them all.
  while (missing > 0) {
    let first = -1;
    let least: Rank | undefined;
    for (let i = 0; i < ranks.length; i++) {
      const rank = ranks[i];
      if (rank === undefined || (least !== undefined && !isBefore(rank, least))) continue;
      first = i;
      least = rank;
    }
    const victim = candidates[first]!;
    victims.push(victim);
    missing -= victim.bytes;
    ranks[first] = undefined;
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
  readonly priority: number;
  readonly key: readonly number[];
}

/** Equal ones keep the order in which they were used. */
function isBefore(a: Rank, b: Rank): boolean {
  if (a.isKept !== b.isKept) return b.isKept;
  if (a.priority !== b.priority) return a.priority < b.priority;
  for (let i = 0; i < a.key.length; i++) if (a.key[i] !== b.key[i]) return a.key[i]! < b.key[i]!;
  return false;
}
