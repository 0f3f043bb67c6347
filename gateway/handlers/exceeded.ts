/** What calls fail with that go over a limit of their function: the message and the detail `limit` name it. */
import { DawnletError } from "../../kernels/errors.ts";
import { formatBytes } from "../text.ts";
import type { HandlerLimits } from "./limits.ts";

export function exceeded(name: string, limit: keyof HandlerLimits, used: string, most: string): DawnletError {
  return new DawnletError(
    "FUNCTION_LIMIT",
    `Cannot finish the call as function '${name}' used more ${used} than its limit ${limit} of ${most}`,
    { details: { limit } },
  );
}

export function cpuExceeded(name: string, cpuMs: number): DawnletError {
  return exceeded(name, "cpuMs", "processor time", `${cpuMs} ms`);
}

export function memoryExceeded(name: string, memoryBytes: number): DawnletError {
  return exceeded(name, "memoryBytes", "memory", formatBytes(memoryBytes));
}

export function timeoutExceeded(name: string, timeoutMs: number): DawnletError {
  return new DawnletError(
    "DEADLINE_EXCEEDED",
    `Cannot finish the call as function '${name}' took longer than its limit timeoutMs of ${timeoutMs} ms`,
    { details: { limit: "timeoutMs" } },
  );
}

export function requestTooLarge(name: string, requestBytes: number): DawnletError {
  return new DawnletError(
    "PAYLOAD_TOO_LARGE",
    `Cannot send the request to function '${name}' as its body is larger than its limit requestBytes of ${formatBytes(requestBytes)}`,
    { details: { limit: "requestBytes" } },
  );
}

export function responseTooLarge(name: string, responseBytes: number): DawnletError {
  return exceeded(name, "responseBytes", "bytes for its response", formatBytes(responseBytes));
}

export function shareExceeded(name: string, gpuShare: number): DawnletError {
  return exceeded(name, "gpuShare", "of the GPU's time", `${Math.round(gpuShare * 100)} %`);
}
