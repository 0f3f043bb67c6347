/** One request on one device, the least recently used weights making room: how the published baselines run things. */

import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import { victimsFor } from "../core/make-room.ts";
import type { Request, Run } from "../core/request.ts";
import { lru } from "../eviction/lru.ts";
import type { EvictionPolicy } from "../eviction/policy.ts";

/**
 * @param share part of the device that the run may fill, where it is not to fill all.
 * @returns undefined, all as before, where there is no room that could be made.
 */
export function runAlone(
  device: DeviceState,
  request: Request,
  eviction?: EvictionPolicy,
  share?: number,
): Run | undefined {
  if (!makeRoom(device, request.function, eviction)) return undefined;
  return device.cluster.run(device, [request], share);
}

/** Evicts what the function needs. @returns false, all as before, where that cannot be. */
export function makeRoom(device: DeviceState, fn: FunctionState, eviction: EvictionPolicy = lru): boolean {
  if (device.holds(fn)) return true;
  const { cluster } = device;
  const victims = victimsFor(device, device.bytesOf(fn), eviction, cluster.now);
  if (victims === undefined) return false;
  for (const victim of victims)
    cluster.evict(device, victim.function, `${eviction.explain(victim, cluster.now)}; '${fn.id}' comes in`);
  return true;
}
