/** From a bundle with a handler to a version that can answer: bundled into one module, stored, started once. */
import { emptyHandlerManifest, parseHandlerManifest } from "../../kernels/manifest/handler-manifest.ts";
import { findHandlerEntry } from "../bundle/handler-entry.ts";
import type { HandlerBundle } from "../bundle/read-bundle.ts";
import { tenantOf } from "../devices/owner.ts";
import { bundleHandler } from "../handlers/bundle-handler.ts";
import { HandlerFunction } from "../handlers/handler-function.ts";
import { checkLimits } from "../handlers/limits.ts";
import type { DeployContext, Deployed, RecordBase } from "./deploy.ts";
import type { HandlerSource, VersionRecord } from "./record.ts";

/** @throws DawnletError INVALID_BUNDLE naming file, line and column; FUNCTION_FAILED where the module throws. */
export async function deployHandler(
  { files, manifest }: HandlerBundle,
  base: RecordBase,
  { name, number, backends, progress }: DeployContext,
): Promise<Deployed> {
  const { store, handlers } = backends;
  const stated = manifest === undefined ? emptyHandlerManifest : parseHandlerManifest(manifest);
  checkLimits(stated.limits, handlers.maxima);
  const entry = findHandlerEntry(files.keys(), stated.entry);
  progress({ phase: "compile", message: `bundling ${entry}` });
  const { code, map, warnings } = await bundleHandler(files, entry, tenantOf(backends.device.owner));
  for (const warning of warnings) progress({ phase: "compile", message: warning });

  progress({ phase: "store", message: `storing ${files.size} files` });
  const stored: Record<string, string> = {};
  for (const [path, bytes] of files) stored[path] = await store.blobs.put(bytes);
  const encoder = new TextEncoder();
  const source: HandlerSource = {
    type: "handler",
    files: stored,
    entry,
    code: await store.blobs.put(encoder.encode(code)),
    map: await store.blobs.put(encoder.encode(map)),
    uses: Object.fromEntries(stated.uses),
    hosts: [...stated.hosts],
    variables: Object.fromEntries(stated.variables),
    secrets: [...stated.secrets],
    limits: { ...stated.limits },
  };
  const signature = { inputs: [], outputs: [], parameters: [] };
  const record: VersionRecord = { ...base, signature, source };
  const servable = new HandlerFunction(backends, { name, number, record, source });
  progress({ phase: "verify", message: "starting the handler once" });
  await servable.trial();
  return { record, servable };
}
