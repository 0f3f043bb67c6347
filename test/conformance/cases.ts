/**
 * Makes the suite: the cases, once, in the runtime that runs the tests, and what Dawn gives for them, which is the
 * reference for every other device of the same kind.
 */
import { platform } from "#platform";
import { type FoundAdapter, findAdapter } from "../../runtime/adapter/find-adapter.ts";
import { bundleCases } from "./bundles.ts";
import { startProcess } from "./carriers/process.ts";
import type { ConformanceCase, Suite } from "./case.ts";
import { makeModelCases, modelCases } from "./models.ts";
import { bindingRules } from "./rules/bindings.ts";
import { memoryRules } from "./rules/memory.ts";
import { shaderRules } from "./rules/shaders.ts";
import { stepRules } from "./rules/steps.ts";
import { adapterKind, checks, outputsOf } from "./suite.ts";

const makers = [...stepRules, ...memoryRules, ...bindingRules, ...shaderRules, ...bundleCases];

/** Names of all cases and checks, in the order in which they are run. */
export const suiteNames: readonly string[] = [...makers, ...modelCases, ...checks].map(({ name }) => name);

export interface MadeSuite {
  readonly suite: Suite;
  /** Weights of all cases and checks, by digest. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** What the reference ran on. */
  readonly adapter: FoundAdapter;
}

export async function makeSuite(): Promise<MadeSuite> {
  const adapter = await findAdapter(platform);
  const models = makeModelCases(adapter);
  const cases: ConformanceCase[] = [];
  for (const maker of makers) cases.push(await maker.make());
  cases.push(...(await models));
  const blobs = new Map(cases.flatMap(({ weights }) => [...weights]));
  for (const { programs } of checks) {
    for (const { weights } of (await programs?.()) ?? []) {
      for (const [digest, blob] of weights) blobs.set(digest, blob);
    }
  }
  const device = await startProcess(platform, adapter.environment, { ...openParams(adapter) }, blobs);
  try {
    const outputs = new Map<string, Uint8Array[][]>();
    for (const one of cases) outputs.set(one.name, await outputsOf(device.api, one));
    const kind = adapterKind(await device.api.describe());
    return { suite: { cases, reference: { kind, outputs } }, blobs, adapter };
  } finally {
    await device.close();
  }
}

/** How a process opens the adapter with Dawn. */
export function openParams({ gpuOptions, description }: FoundAdapter) {
  return { backend: gpuOptions.backend, isSoftware: description.adapter.isSoftware };
}
