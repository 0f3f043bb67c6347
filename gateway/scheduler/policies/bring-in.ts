/** Weights that come in before requests run: so that what one function waits for holds up no other. */
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { EvictionPolicy } from "../eviction/policy.ts";
import { makeRoom } from "./run-alone.ts";

/** Has them loaded where nobody has yet and there is room, or room to be made. @returns whether they are there. */
export function bringIn(device: DeviceState, fn: FunctionState, eviction?: EvictionPolicy): boolean {
  const residence = device.residences.get(fn);
  if (residence !== undefined) return residence.state === "resident";
  if (device.isUp && device.canHold(fn) && makeRoom(device, fn, eviction)) device.cluster.load(device, fn);
  return false;
}

export function isThere(device: DeviceState, fn: FunctionState): boolean {
  return device.residences.get(fn)?.state === "resident";
}
