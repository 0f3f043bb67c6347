/** How much of a device weights may take: what the device process leaves them as well. */
import type { DeviceMemory } from "../../runtime/device/api.ts";
import { reservedBytes } from "../../runtime/device/reserve.ts";

/** Before anything is known of the device. */
export function firstReserve(deviceBytes: number): number {
  return reservedBytes(deviceBytes, 0);
}

/**
 * In bytes.
 * @param missingBytes that the device did not have for the rest just now: whatever the rules leave it, weights give them.
 */
export function weightBudget(deviceBytes: number, memory: DeviceMemory, missingBytes = 0): number {
  const { activationBytes, constantBytes, stagingBytes, tensorBytes, sessionBytes } = memory;
  const rest = activationBytes + constantBytes + stagingBytes + tensorBytes + sessionBytes + missingBytes;
  const budgetBytes = deviceBytes - reservedBytes(deviceBytes, rest);
  // Slabs with holes take more than what lies in them: weights may keep to their budget, and yet there is no room.
  const leftBytes = missingBytes > 0 ? memory.placedBytes - missingBytes : budgetBytes;
  return Math.max(0, Math.min(budgetBytes, leftBytes));
}
