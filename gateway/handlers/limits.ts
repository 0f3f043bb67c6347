/** What a handler's process and its calls may take: what the manifest states, within what the server allows. */
import { DawnletError } from "../../kernels/errors.ts";
import type { StatedHandlerLimits } from "../../kernels/manifest/handler-manifest.ts";

export interface HandlerLimits {
  /** From a request's arrival to the end of its response. */
  readonly timeoutMs: number;
  /** Time on the CPU without a pause. */
  readonly cpuMs: number;
  /** Of the process of one instance. */
  readonly memoryBytes: number;
  /** Requests that one instance answers at a time. */
  readonly concurrency: number;
  /** Most processes. */
  readonly instances: number;
  /** An instance without requests ends after this long. */
  readonly idleMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Device memory of one instance. */
  readonly gpuBytes: number;
  /** Share of the device's time, above 0, at most 1. */
  readonly gpuShare: number;
}

const mebibyte = 1024 ** 2;

/** Of what a manifest leaves out. */
export const defaultHandlerLimits: HandlerLimits = {
  timeoutMs: 30_000,
  cpuMs: 10_000,
  memoryBytes: 256 * mebibyte,
  concurrency: 16,
  instances: 4,
  idleMs: 60_000,
  requestBytes: 64 * mebibyte,
  responseBytes: 256 * mebibyte,
  gpuBytes: 256 * mebibyte,
  gpuShare: 1,
};

/** What a manifest may ask for, where the server says nothing else. */
export const maxHandlerLimits: HandlerLimits = {
  timeoutMs: 600_000,
  cpuMs: 300_000,
  memoryBytes: 2048 * mebibyte,
  concurrency: 256,
  instances: 16,
  idleMs: 3_600_000,
  requestBytes: 1024 * mebibyte,
  responseBytes: 4096 * mebibyte,
  gpuBytes: 4096 * mebibyte,
  gpuShare: 1,
};

/** @throws DawnletError INVALID_BUNDLE naming limit, value and maximum, where more is stated than the server allows. */
export function checkLimits(stated: StatedHandlerLimits, maxima: HandlerLimits = maxHandlerLimits): void {
  for (const [name, value] of Object.entries(stated) as [keyof HandlerLimits, number][])
    if (value > maxima[name])
      throw new DawnletError(
        "INVALID_BUNDLE",
        `Cannot deploy the bundle as limits.${name} in its function.json is ${value}: this server allows ${maxima[name]}`,
      );
}

/** Lowered to the maxima, which may be other ones than when it was deployed. */
export function resolveLimits(
  stated: StatedHandlerLimits,
  maxima: HandlerLimits = maxHandlerLimits,
): HandlerLimits {
  const limits = { ...defaultHandlerLimits };
  for (const name of Object.keys(limits) as (keyof HandlerLimits)[])
    limits[name] = Math.min(stated[name] ?? limits[name], maxima[name]);
  return limits;
}
