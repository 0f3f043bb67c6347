/**
 * How long a run may take on the device. One rule for all functions: what the manifest states; otherwise ten seconds,
 * and more where verification has shown that this adapter is slow.
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
}

export function timeLimitFor({ statedMs, verifiedMs = 0 }: TimeLimitSources): number {
  return Math.min(maxTimeLimitMs, statedMs ?? Math.max(defaultTimeLimitMs, Math.ceil(slack * verifiedMs)));
}
