/** A device of the gateway as the scheduler is told of it. */
import { cutsFromMs } from "../../runtime/device/slices.ts";
import type { DeviceMember } from "../devices/device-member.ts";
import type { DeviceSpec } from "../scheduler/core/specs.ts";

/**
 * Milliseconds of work that a device is given ahead. It puts small runs together and has an order of its own for what it
 * was given, so that more would gain nothing, and less would let it wait for messages between runs.
 */
const aheadMs = 10;

export function deviceSpec(device: DeviceMember): DeviceSpec {
  const { id, kind, managed, budgetBytes } = device;
  return {
    ...{ id, class: device.class, node: "local" },
    // GPUs have a bus each; software adapters share the host's memory.
    bus: kind === "gpu" ? id : "host",
    ...{ budgetBytes, loadBytesPerMs: 1 / managed.estimates.guessedLoadMs(1), aheadMs },
    ...{ hasCopyEngine: kind === "gpu", cutsFromMs },
  };
}
