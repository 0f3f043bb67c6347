/** A device of the gateway as the scheduler is told of it. */
import type { DeviceMember } from "../devices/device-member.ts";
import type { ManagedDevice } from "../devices/managed-device.ts";
import type { DeviceSpec } from "../scheduler/core/specs.ts";

/**
 * Milliseconds of work that a device is given ahead. It puts small runs together and has an order of its own for what it
 * was given, so that more would gain nothing, and less would let it wait for messages between runs.
 */
const aheadMs = 10;

export function deviceSpec(
  { id, kind, managed, budgetBytes }: DeviceMember,
  all: readonly DeviceMember[],
): DeviceSpec {
  return {
    ...{ id, class: deviceClass(managed, all), node: "local" },
    // GPUs have a bus each; software adapters share the host's memory.
    bus: kind === "gpu" ? id : "host",
    ...{ budgetBytes, loadBytesPerMs: 1 / managed.estimates.guessedLoadMs(1), aheadMs },
  };
}

/** Devices on one adapter share their estimates: the first of them gives the name. */
export function deviceClass({ estimates }: ManagedDevice, all: readonly DeviceMember[]): string {
  return all.find((one) => one.managed.estimates === estimates)!.id;
}
