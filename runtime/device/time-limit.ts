/** Time limits of rounds, and what their runs fail with. */
import { DawnletError } from "../../kernels/errors.ts";
import type { PendingRun } from "./pending-run.ts";

/**
 * How long a round may take, in milliseconds: the longest limit of its runs, and what they take when all is well,
 * since they share the GPU.
 */
export function limitOf(round: readonly PendingRun[]): number {
  let limitMs = 0;
  let expectedMs = 0;
  for (const { program } of round) {
    limitMs = Math.max(limitMs, program.timeLimitMs);
    if (round.length > 1) expectedMs += program.cost.expectedMs;
  }
  return limitMs + 4 * expectedMs;
}

/** The device does not recover from such a round: who owns its process ends it. */
export function failStuck(round: readonly PendingRun[]): void {
  for (const run of round) {
    const { timeLimitMs } = run.program;
    const message = `The run did not end within ${timeLimitMs} ms on the device`;
    run.reject(
      new DawnletError("TIME_LIMIT_EXCEEDED", message, {
        details: { timeLimitMs, isAlone: round.length === 1 },
      }),
    );
  }
}
