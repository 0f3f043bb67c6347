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

export function shareExceeded(name: string, gpuShare: number): DawnletError {
  return exceeded(name, "gpuShare", "of the GPU's time", `${Math.round(gpuShare * 100)} %`);
}
