/** How much of a device weights may take: what the device process leaves them as well. */
import type { DeviceMemory } from "../../runtime/device/api.ts";
import { reservedBytes } from "../../runtime/device/reserve.ts";

/** Before anything is known of the device. */
export function firstReserve(deviceBytes: number): number {
  return reservedBytes(deviceBytes, 0);
}

/** In bytes. @param missingBytes that the rest needs beside what it has. */
export function weightBudget(deviceBytes: number, memory: DeviceMemory, missingBytes = 0): number {
  const { activationBytes, constantBytes, stagingBytes, tensorBytes, sessionBytes } = memory;
  const rest = activationBytes + constantBytes + stagingBytes + tensorBytes + sessionBytes + missingBytes;
  return Math.max(0, deviceBytes - reservedBytes(deviceBytes, rest));
}
