/** Why a call was not taken, as an error for the caller. It names no other function. */
import { DawnletError } from "../../kernels/errors.ts";
import type { RejectCause } from "../scheduler/core/actions.ts";

/** By the scheduler. */
export function rejection(name: string, cause: RejectCause, reason: string): DawnletError {
  switch (cause) {
    case "late":
      return new DawnletError("DEADLINE_EXCEEDED", `Cannot call function '${name}' in time: ${reason}`);
    case "queue-full":
      return new DawnletError("QUEUE_FULL", `Cannot take the call now: ${reason}`);
    case "removed":
    case "unknown":
      return new DawnletError("UNAVAILABLE", `Function '${name}' was removed while the call waited`);
    case "too-large":
      return new DawnletError("OUT_OF_MEMORY", `Cannot load the function: ${reason}`);
    default:
      return cause satisfies never;
  }
}

export function stopped(): DawnletError {
  return new DawnletError(
    "UNAVAILABLE",
    "Cannot run the call as the gateway is shutting down: send it again",
  );
}
