/**
 * From an upload to a version that can answer: received, unpacked, checked, compiled, verified. Nothing is visible
 * to callers before all of it has worked; what a failed deploy stored is collected later.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { loadWgslBundle, type WgslBundle } from "../../kernels/manifest/bundle.ts";
import {
  type Bundle,
  type BundleLimits,
  type OnnxBundle,
  readBundle,
  type WgslBundle as WgslFiles,
} from "../bundle/read-bundle.ts";
import { type ProgramOwner, tenantOf } from "../devices/owner.ts";
import type { StoredBlob } from "../store/blobs.ts";
import { checkBatch } from "./check-batch.ts";
import { checkProgram, checkShaders } from "./check-shaders.ts";
import { deployHandler } from "./deploy-handler.ts";
import type { DeployProgress } from "./functions.ts";
import { readModelManifest } from "./model-manifest.ts";
import { OnnxFunction } from "./onnx-function.ts";
import type { OnnxSource, VersionRecord } from "./record.ts";
import type { Backends, Servable } from "./servable.ts";
import { WgslFunction } from "./wgsl-function.ts";

export interface Deployed {
  readonly record: VersionRecord;
  readonly servable: Servable;
}

export interface DeployContext {
  /** Of the version that is to be. */
  readonly name: string;
  readonly number: number;
  readonly backends: Backends;
  readonly limits: BundleLimits;
  readonly now: () => Date;
  /** Whose version it becomes; undefined: the operator's. */
  readonly tenant: string | undefined;
  readonly progress: (progress: DeployProgress) => void;
  /** Keeps a record whose variants changed after the deploy. */
  readonly save: (record: VersionRecord) => Promise<void>;
}

export type RecordBase = Pick<VersionRecord, "format" | "digest" | "createdAt" | "tenant" | "sizeBytes">;

/** @throws DawnletError INVALID_BUNDLE, INVALID_SHADER, INVALID_MODEL, UNSUPPORTED_MODEL, LIMIT_EXCEEDED, … */
export async function deployUpload(upload: StoredBlob, context: DeployContext): Promise<Deployed> {
  const { store } = context.backends;
  context.progress({ phase: "unpack", message: `reading ${upload.sizeBytes} bytes` });
  await using bundle: Bundle = await readBundle(upload.path, store, context.limits);
  const base: RecordBase = {
    format: 1,
    digest: upload.digest,
    createdAt: context.now().toISOString(),
    ...(context.tenant !== undefined && { tenant: context.tenant }),
    sizeBytes: upload.sizeBytes,
  };
  // Awaited here: the bundle's files must stay until the deploy is through.
  switch (bundle.type) {
    case "wgsl":
      return await deployWgsl(bundle, base, context);
    case "onnx":
      return await deployOnnx(bundle, base, upload, context);
    case "handler":
      return await deployHandler(bundle, base, context);
    default:
      return bundle satisfies never;
  }
}

async function deployWgsl(
  { files }: WgslFiles,
  base: RecordBase,
  { backends, progress }: DeployContext,
): Promise<Deployed> {
  progress({ phase: "compile", message: "compiling shaders on the device" });
  await checkShaders(files, backends);
  const bundle: WgslBundle = await loadWgslBundle(files);
  checkTimeLimit(bundle, backends.device.owner);
  await checkProgram(bundle, base.digest, backends);
  progress({ phase: "store", message: `storing ${files.size} files` });
  const { store } = backends;
  const stored: Record<string, string> = {};
  for (const [path, bytes] of files) stored[path] = await store.blobs.put(bytes);
  const weights: string[] = [];
  for (const bytes of bundle.weights.values()) weights.push(await store.blobs.put(bytes));
  const source = { type: "wgsl", files: stored, weights } as const;
  const record: VersionRecord = {
    ...base,
    signature: mutable(bundle.signature),
    source: { ...source, weights },
    memory: bundle.memory,
    ...(bundle.schedule && { schedule: bundle.schedule }),
    ...(bundle.timeLimitMs !== undefined && { timeLimitMs: bundle.timeLimitMs }),
    ...(bundle.batch && { batch: { dimension: bundle.batch.dimension, max: bundle.batch.maxRows } }),
  };
  const servable = new WgslFunction(backends, record, { ...source, weights }, bundle);
  if (bundle.batch !== undefined) {
    progress({ phase: "verify", message: "comparing calls that run together with the same calls alone" });
    try {
      await checkBatch(servable, bundle, backends);
    } finally {
      // The sizes that were tried are nobody's.
      await servable.dispose();
    }
  }
  return { record, servable };
}

/** @throws DawnletError INVALID_BUNDLE where a manifest states more than its owner may have. */
function checkTimeLimit(
  { timeLimitMs = 0 }: { readonly timeLimitMs?: number | undefined },
  { tenant, maxTimeLimitMs = Number.POSITIVE_INFINITY }: ProgramOwner,
): void {
  if (timeLimitMs <= maxTimeLimitMs) return;
  throw new DawnletError(
    "INVALID_BUNDLE",
    `its 'timeLimitMs' is ${timeLimitMs}: a run of tenant '${tenant}' may take ${maxTimeLimitMs} ms on the device`,
  );
}

async function deployOnnx(
  bundle: OnnxBundle,
  base: RecordBase,
  upload: StoredBlob,
  context: DeployContext,
): Promise<Deployed> {
  const { backends, progress } = context;
  const { compilers, device } = backends;
  const manifest = readModelManifest(bundle.manifest);
  checkTimeLimit(manifest, device.owner);
  const source = { modelPath: bundle.modelPath, files: Object.fromEntries(bundle.externalFiles) };
  progress({ phase: "compile", message: "loading the model" });
  const description = await compilers.inspect(tenantOf(device.owner), source, loadLimitMs);

  const model = await storeFile(backends, bundle.modelPath, upload);
  const files: Record<string, string> = {};
  let modelBytes = model.sizeBytes;
  for (const [name, path] of bundle.externalFiles) {
    const blob = await storeFile(backends, path, upload);
    files[name] = blob.digest;
    modelBytes += blob.sizeBytes;
  }
  const { inputs, outputs, dimensions } = description;
  const onnx: OnnxSource = {
    type: "onnx",
    model: model.digest,
    files,
    modelBytes,
    dimensions: [...dimensions],
    variants: [],
  };
  const signature = mutable({ inputs, outputs, parameters: [] });
  const { timeLimitMs, batch } = manifest;
  let record: VersionRecord = {
    ...base,
    signature,
    source: onnx,
    memory: manifest.memory,
    ...(manifest.schedule && { schedule: manifest.schedule }),
    ...(timeLimitMs !== undefined && { timeLimitMs }),
    ...(batch !== undefined && { batch }),
  };
  let isDeploying = true;
  const servable = new OnnxFunction(backends, record, onnx, async (changed) => {
    record = { ...record, source: changed };
    if (!isDeploying) await context.save(record);
  });
  // A model without free dimensions has one variant; of others the manifest may name some.
  const variants = dimensions.length === 0 ? [{}] : manifest.variants;
  for (const variant of variants) await servable.addVariant(variant, progress);
  isDeploying = false;
  return { record, servable };
}

const loadLimitMs = 5 * 60_000;

async function storeFile({ store }: Backends, path: string, upload: StoredBlob): Promise<StoredBlob> {
  // A model that came alone is in the store already: it is the upload.
  if (path === upload.path) return upload;
  const { createReadStream } = await import("node:fs");
  return store.blobs.putStream(createReadStream(path), { limitBytes: Number.MAX_SAFE_INTEGER });
}

/** A deep copy with the mutable types that records have. */
function mutable(signature: unknown): VersionRecord["signature"] {
  return structuredClone(signature) as VersionRecord["signature"];
}

/** Puts the function's name in front of what a deploy failed with. */
export function deployFailure(name: string, error: unknown): DawnletError {
  if (!(error instanceof DawnletError))
    return new DawnletError("INTERNAL", `Cannot deploy function '${name}'`, { cause: error });
  const reason = error.message.startsWith("Cannot deploy")
    ? error.message
    : `Cannot deploy function '${name}': ${error.message}`;
  return new DawnletError(error.code, reason, { cause: error });
}
