/**
 * How long a run may take, on the device and in a session on the CPU: what the manifest states; otherwise ten seconds on the
 * device, and more where verification has shown that this adapter is slow; never more than its owner may have.
 */
import { maxTimeLimitMs } from "../../kernels/manifest/time-limit.ts";

export const defaultTimeLimitMs = 10_000;
/** A CPU takes longer, and a run in a session keeps nobody but its function's other calls waiting. */
const defaultSessionLimitMs = 120_000;

/** A busy machine is slower than the one that verified the model had been. */
const slack = 20;

export interface TimeLimitSources {
  /** `timeLimitMs` of function.json. */
  readonly statedMs?: number | undefined;
  /** The longest run when the Program was verified. */
  readonly verifiedMs?: number | undefined;
  /** That its owner may have. */
  readonly mostMs?: number | undefined;
}

export function timeLimitFor({
  statedMs,
  verifiedMs = 0,
  mostMs = maxTimeLimitMs,
}: TimeLimitSources): number {
  return Math.min(
    mostMs,
    maxTimeLimitMs,
    statedMs ?? Math.max(defaultTimeLimitMs, Math.ceil(slack * verifiedMs)),
  );
}

/** Of a run in a session. */
export function sessionLimitFor({
  statedMs = defaultSessionLimitMs,
  mostMs = maxTimeLimitMs,
}: Omit<TimeLimitSources, "verifiedMs">): number {
  return Math.min(mostMs, maxTimeLimitMs, statedMs);
}
