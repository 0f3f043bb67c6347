/**
 * Finds an adapter: the first candidate that works. Says what was tried where none does.
 * The device process is then started with the environment that is found here.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { AdapterDescription } from "../device/api.ts";
import type { Platform } from "../platform/platform.ts";
import { type AdapterCandidate, type AdapterHost, adapterCandidates } from "./candidates.ts";
import { type ProbeOutcome, probeCandidate } from "./probe.ts";
import { ProbeCache } from "./probe-cache.ts";
import type { ProbeParams } from "./probe-protocol.ts";

export interface FindAdapterOptions {
  /** As `adapterCandidates` takes it; left out: the variable DAWNLET_ADAPTER. */
  readonly wish?: string | undefined;
  readonly implementation?: "dawn" | "native" | undefined;
  /** Part of the adapter's name, where a driver shows several. */
  readonly adapter?: string | undefined;
  /** False: try again what was tried since this boot. */
  readonly useCache?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FoundAdapter {
  /** Where it came from, for people. */
  readonly name: string;
  /** For `ProcessOptions.environment` of the process that opens the device. */
  readonly environment: Readonly<Record<string, string>>;
  /** For `Platform.openGpu` in that process. */
  readonly gpuOptions: ProbeParams;
  readonly description: AdapterDescription;
}

/**
 * @throws DawnletError NO_ADAPTER with what was tried and what to install; INVALID_ARGUMENT for an unknown wish;
 *   CANCELLED.
 */
export async function findAdapter(
  platform: AdapterHost & Pick<Platform, "spawnProcess">,
  options: FindAdapterOptions = {},
): Promise<FoundAdapter> {
  const wish = options.wish ?? platform.environment("DAWNLET_ADAPTER");
  const cache = await ProbeCache.open(platform);
  const tried: string[] = [];
  let isRemembered = false;
  for await (const candidate of adapterCandidates(platform, wish)) {
    if ("missing" in candidate) {
      tried.push(`${candidate.name}: ${candidate.missing}`);
      continue;
    }
    const { implementation, adapter } = options;
    const gpuOptions: ProbeParams = {
      ...(implementation && { implementation }),
      ...(adapter && { adapter }),
      ...(candidate.backend && { backend: candidate.backend }),
    };
    const key = await cache.key(candidate, gpuOptions);
    let outcome = options.useCache === false ? undefined : cache.get(key);
    if (outcome) isRemembered = true;
    else {
      outcome = await probeCandidate(platform, candidate, gpuOptions, options.signal);
      await cache.set(key, outcome);
    }
    const failure = refusal(candidate, outcome);
    if (failure === undefined && "description" in outcome) {
      const { name, environment } = candidate;
      return { name, environment, gpuOptions, description: outcome.description };
    }
    tried.push(`${candidate.name}: ${failure}`);
  }
  // What failed earlier may work now, for reasons that no file shows.
  if (isRemembered) return findAdapter(platform, { ...options, useCache: false });
  throw new DawnletError("NO_ADAPTER", noAdapter(wish, tried));
}

/** @returns why the candidate will not do, undefined where it will. */
export function refusal(candidate: AdapterCandidate, outcome: ProbeOutcome): string | undefined {
  if ("failure" in outcome) return outcome.failure;
  const { isSoftware, description, device } = outcome.description.adapter;
  if (!isSoftware || !candidate.mustBeHardware) return undefined;
  return `it is software (${description || device})`;
}

export function noAdapter(wish: string | undefined, tried: readonly string[]): string {
  return [
    `Cannot find a WebGPU adapter${wish ? ` for '${wish}'` : ""}. Tried:`,
    ...tried.map((line) => `  - ${line}`),
    "To install one:",
    "  - for a GPU: its driver with Vulkan, and the Vulkan loader (Debian, Ubuntu: apt-get install libvulkan1)",
    "  - without a GPU, Debian: apt-get install chromium; Fedora: dnf install chromium; others: Google Chrome",
    "  - without a GPU, Linux on x64: npm install @sparticuz/chromium",
    "  - without a GPU: Mesa 23 or later with lavapipe (Debian 13, Ubuntu 24.04: apt-get install mesa-vulkan-drivers)",
    "A driver elsewhere is named by DAWNLET_ADAPTER=/path/of/its_icd.json",
  ].join("\n");
}
