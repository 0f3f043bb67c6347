/**
 * Tries every candidate for an adapter, also those after the first that works: for `dawnlet doctor`.
 * Remembers nothing, so it shows the machine as it is now.
 */
import type { AdapterDescription } from "../device/api.ts";
import type { Platform } from "../platform/platform.ts";
import { type AdapterHost, adapterCandidates } from "./candidates.ts";
import { type FindAdapterOptions, type FoundAdapter, noAdapter, refusal } from "./find-adapter.ts";
import { probeCandidate } from "./probe.ts";
import type { ProbeParams } from "./probe-protocol.ts";

/** What came of one candidate. */
export interface SurveyedCandidate {
  readonly name: string;
  /** Why it will not do; absent where it works. */
  readonly problem?: string;
  readonly description?: AdapterDescription;
}

export interface AdapterSurvey {
  readonly candidates: readonly SurveyedCandidate[];
  /** The one that `findAdapter` would give; absent where none works. */
  readonly chosen?: FoundAdapter;
  /** What to install, where none works. */
  readonly advice?: string;
}

/** @throws DawnletError INVALID_ARGUMENT for an unknown wish; CANCELLED. */
export async function surveyAdapters(
  platform: AdapterHost & Pick<Platform, "spawnProcess">,
  options: Omit<FindAdapterOptions, "useCache"> = {},
): Promise<AdapterSurvey> {
  const wish = options.wish ?? platform.environment("DAWNLET_ADAPTER");
  const candidates: SurveyedCandidate[] = [];
  let chosen: FoundAdapter | undefined;
  for await (const candidate of adapterCandidates(platform, wish)) {
    const { name } = candidate;
    if ("missing" in candidate) {
      candidates.push({ name, problem: candidate.missing });
      continue;
    }
    const { implementation, adapter } = options;
    const gpuOptions: ProbeParams = {
      ...(implementation && { implementation }),
      ...(adapter && { adapter }),
      ...(candidate.backend && { backend: candidate.backend }),
    };
    const outcome = await probeCandidate(platform, candidate, gpuOptions, options.signal);
    const problem = refusal(candidate, outcome);
    const description = "description" in outcome ? outcome.description : undefined;
    candidates.push({ name, ...(problem !== undefined && { problem }), ...(description && { description }) });
    if (problem === undefined && description)
      chosen ??= { name, environment: candidate.environment, gpuOptions, description };
  }
  if (chosen) return { candidates, chosen };
  const tried = candidates.map(({ name, problem }) => `${name}: ${problem}`);
  return { candidates, advice: noAdapter(wish, tried) };
}
