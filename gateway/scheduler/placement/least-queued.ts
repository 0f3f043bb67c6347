/**
 * A run goes to the device that has the least queued work, of those that hold its weights where any does. Devices that
 * are away are taken last, and a GPU before a CPU where nothing else tells them apart.
 */
import type { Place, PlacedDevice } from "./place.ts";

export const leastQueued: Place = ({ program }, devices) => {
  // What has no weights is everywhere.
  const isLight = program.weights.length === 0;
  let best: PlacedDevice | undefined;
  let bestHolds = false;
  for (const device of devices) {
    const holds = isLight || device.stateOf(program.id) !== "absent";
    if (best === undefined || isBefore(device, holds, best, bestHolds)) {
      best = device;
      bestHolds = holds;
    }
  }
  return best === undefined ? -1 : best.index;
};

function isBefore(one: PlacedDevice, holds: boolean, best: PlacedDevice, bestHolds: boolean): boolean {
  if (one.isUp !== best.isUp) return one.isUp;
  if (holds !== bestHolds) return holds;
  if (one.queuedMs !== best.queuedMs) return one.queuedMs < best.queuedMs;
  return one.kind === "gpu" && best.kind === "software";
}
