/** What a wait rejects with when its AbortSignal fires. */
import { DawnletError } from "../../kernels/errors.ts";

/**
 * @returns the signal's reason where it is a DawnletError, DEADLINE_EXCEEDED after `AbortSignal.timeout`,
 *   CANCELLED otherwise. `what` names what was waited for.
 */
export function abortError(signal: AbortSignal, what: string): DawnletError {
  const reason: unknown = signal.reason;
  if (reason instanceof DawnletError) return reason;
  if (reason instanceof DOMException && reason.name === "TimeoutError") {
    return new DawnletError("DEADLINE_EXCEEDED", `Cannot finish '${what}' within its deadline`);
  }
  return new DawnletError("CANCELLED", `Cannot finish '${what}' as the caller gave up`);
}
