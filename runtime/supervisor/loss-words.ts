/** How a device process ended, and what the calls are told that fail with it. */
import { DawnletError } from "../../kernels/errors.ts";
import { maxTimeLimitMs } from "../../kernels/manifest/time-limit.ts";
import type { ChildEnd } from "./child.ts";
import type { Failed } from "./containment.ts";
import { tensorGone } from "./device-tensor.ts";
import type { LossCause } from "./incident.ts";

/** What people and systems end processes with. */
const outsideSignals: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"]);

export function wasEndedFromOutside({ status: { signal }, wasKilled }: ChildEnd): boolean {
  return !wasKilled && signal !== null && outsideSignals.has(signal);
}

export function endingOf({ status: { code, signal }, wasKilled }: ChildEnd): string {
  if (wasKilled) return "killed by the gateway";
  if (signal !== null) return `ended by ${signal}`;
  return code === null ? "in an unknown way" : `with code ${code}`;
}

/** The detail `isBlamed` is what strikes are counted by. */
export function lossError(
  { job, verdict }: Failed<{ readonly timeLimitMs: number }>,
  cause: LossCause,
): DawnletError {
  if (verdict === "gone") return tensorGone();
  if (verdict === "given-up")
    return new DawnletError(
      "DEVICE_LOST",
      "The device was lost while the call ran, and the call is not run again: it was there too often when that happened",
    );
  const details = { isBlamed: true };
  if (cause === "time-limit")
    return new DawnletError(
      "TIME_LIMIT_EXCEEDED",
      `The run took longer than ${job.timeLimitMs} ms on the device, which had to be started anew: give it less to do, or state a larger 'timeLimitMs' in function.json (at most ${maxTimeLimitMs})`,
      { details },
    );
  const what = cause === "hang" ? "stopped to answer" : "ended";
  return new DawnletError(
    "DEVICE_LOST",
    `The device process ${what} while it ran nothing but this call: the function asks the device for something that it cannot do`,
    { details },
  );
}

export function isDeviceLoss(error: unknown): boolean {
  return error instanceof DawnletError && error.code === "DEVICE_LOST";
}
