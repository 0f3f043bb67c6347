/** Devices in turn: so that a policy that does not care which one it takes does not wear out the first. */
import type { DeviceState } from "../core/device-state.ts";

/** All of them, from the one after the last used on. */
export function inTurn(devices: readonly DeviceState[], lastUsed: number): readonly DeviceState[] {
  const from = lastUsed + 1;
  return [...devices.slice(from), ...devices.slice(0, from)];
}
