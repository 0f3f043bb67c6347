/**
 * How long a run may take on the device. One rule for all functions: what the manifest states; otherwise ten seconds,
 * and more where verification has shown that this adapter is slow; never more than its owner may have.
 */
import { maxTimeLimitMs } from "../../kernels/manifest/time-limit.ts";

export const defaultTimeLimitMs = 10_000;

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
