/** Where the GPU sessions of a handler's instance go: to the device with the least of them. */
import type { PlacedDevice } from "./place.ts";

export interface SessionDevice extends Pick<PlacedDevice, "index" | "kind" | "isUp" | "queuedMs"> {
  /** Bytes that sessions hold there, a tenth of a second ago. */
  readonly sessionBytes: number;
  /** Instances that have sessions there. */
  readonly sessionGroups: number;
}

/** @returns the `index` of one. @throws RangeError where there is none. */
export function leastSessions(devices: readonly SessionDevice[]): number {
  const [best] = devices.toSorted(
    (a, b) =>
      Number(b.isUp) - Number(a.isUp) ||
      Number(b.kind === "gpu") - Number(a.kind === "gpu") ||
      a.sessionBytes - b.sessionBytes ||
      a.sessionGroups - b.sessionGroups ||
      a.queuedMs - b.queuedMs,
  );
  if (best === undefined) throw new RangeError("No device is there for a session");
  return best.index;
}
