/** How much of a device weights may take: what the device process leaves them as well. */
import type { DeviceMemory } from "../../runtime/device/api.ts";
import { reservedBytes } from "../../runtime/device/reserve.ts";

/** Before anything is known of the device. */
export function firstReserve(deviceBytes: number): number {
  return reservedBytes(deviceBytes, 0);
}

/** In bytes. */
export function weightBudget(deviceBytes: number, memory: DeviceMemory): number {
  const { activationBytes, constantBytes, stagingBytes, tensorBytes } = memory;
  const rest = activationBytes + constantBytes + stagingBytes + tensorBytes;
  return Math.max(0, deviceBytes - reservedBytes(deviceBytes, rest));
}
