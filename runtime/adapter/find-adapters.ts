/**
 * Finds several adapters: one for each wish, and for the wish `all` every GPU whose name tells it from the others.
 * Equal GPUs behind one driver count as one: WebGPU names them alike, and nothing chooses between them.
 */
import type { Platform } from "../platform/platform.ts";
import type { AdapterHost } from "./candidates.ts";
import { type FindAdapterOptions, type FoundAdapter, findAdapter } from "./find-adapter.ts";
import { probeCandidate } from "./probe.ts";

export interface FindAdaptersOptions extends Pick<FindAdapterOptions, "implementation" | "signal"> {
  /** Each as `findAdapter` takes it. None: the variable DAWNLET_ADAPTER. */
  readonly wishes: readonly string[];
}

/** No adapter's name: Dawn's binding then says which there are (README of the npm package `webgpu`). */
const noName = "(which are there?)";

/** At least one. @throws DawnletError as `findAdapter`. */
export async function findAdapters(
  platform: AdapterHost & Pick<Platform, "spawnProcess">,
  { wishes, ...options }: FindAdaptersOptions,
): Promise<readonly FoundAdapter[]> {
  const found: FoundAdapter[] = [];
  const environmentWish = platform.environment("DAWNLET_ADAPTER");
  for (const wish of wishes.length > 0 ? wishes : [environmentWish]) {
    const first = await findAdapter(platform, { ...options, wish });
    found.push(...(wish === "all" ? await allBehind(platform, first, options) : [first]));
  }
  return found;
}

/** The GPUs that the driver of one shows, by name; that one where it names no others. */
async function allBehind(
  platform: AdapterHost & Pick<Platform, "spawnProcess">,
  first: FoundAdapter,
  { implementation, signal }: Pick<FindAdapterOptions, "implementation" | "signal">,
): Promise<readonly FoundAdapter[]> {
  const { environment, gpuOptions } = first;
  const candidate = { name: first.name, environment, files: [] };
  const listed = await probeCandidate(platform, candidate, { ...gpuOptions, adapter: noName }, signal);
  const names = "failure" in listed ? adapterNames(listed.failure) : [];
  const found: FoundAdapter[] = [];
  for (const adapter of names) {
    const params = { ...gpuOptions, ...(implementation && { implementation }), adapter };
    const outcome = await probeCandidate(platform, candidate, params, signal);
    if ("failure" in outcome || outcome.description.adapter.isSoftware) continue;
    const { description } = outcome;
    // Part of a name is enough for Dawn: `A100` opens `A100 80GB` where that comes first.
    if (found.some((one) => one.description.adapter.device === description.adapter.device)) continue;
    found.push({ name: `${first.name}: ${adapter}`, environment, gpuOptions: params, description });
  }
  return found.length > 0 ? found : [first];
}

/** From Dawn's words: ` * backend: 'vulkan', name: 'NVIDIA H200'`. Each name once; those of other APIs are left out. */
export function adapterNames(text: string): readonly string[] {
  const lines = [...text.matchAll(/\* backend: '(\w+)', name: '([^']+)'/g)];
  const [, backend] = lines[0] ?? [];
  return [...new Set(lines.filter(([, one]) => one === backend).map(([, , name]) => name!))];
}
