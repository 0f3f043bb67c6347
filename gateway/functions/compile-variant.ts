/** One variant of a model, of a single call or of several, through the compiler process and into the store. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
import type { BatchOf } from "../../models/batch-axis.ts";
import type { ModelSource } from "../../runtime/compiler/protocol.ts";
import { tenantOf } from "../devices/owner.ts";
import type { DeployProgress } from "./functions.ts";
import type { BatchVariant, CompiledVariant, ModelVariant } from "./record.ts";
import type { Backends } from "./servable.ts";

export interface VariantRequest {
  readonly source: ModelSource;
  readonly dimensions: Readonly<Record<string, number>>;
  readonly modelBytes: number;
}

/** A model that cannot be compiled in this time is served by the fallback. */
const timeLimitMs = 10 * 60_000;
/** Deploys wait for it, and calls are answered without it. */
const batchTimeLimitMs = 2 * 60_000;

/** What a compilation fails with where the reference may still serve. */
const servedOtherwise: ReadonlySet<ErrorCode> = new Set(["UNSUPPORTED_MODEL", "DEADLINE_EXCEEDED"]);

/**
 * @throws DawnletError INVALID_MODEL, INVALID_ARGUMENT, UNAVAILABLE. What only ORT's WebGPU provider refuses gives a
 * fallback variant with the reason.
 */
export async function compileVariant(
  backends: Backends,
  request: VariantRequest,
  progress: (progress: DeployProgress) => void,
): Promise<ModelVariant> {
  const { dimensions } = request;
  const outcome = await compileStored(backends, request, undefined, progress);
  if (outcome.type === "program") return { dimensions, ...outcome };
  return { type: "fallback", dimensions, reason: outcome.reason };
}

/**
 * A variant for several examples at once, each of which was shown to give what it gives alone.
 * @param request its dimensions are those of one example.
 * @throws DawnletError as `compileVariant`.
 */
export async function compileBatch(
  backends: Backends,
  request: VariantRequest,
  batch: BatchOf,
): Promise<BatchVariant> {
  const { dimensions } = request;
  const { rows } = batch;
  const outcome = await compileStored(backends, request, batch, () => {});
  if (outcome.type === "program") return { dimensions, rows, ...outcome };
  const { type, reason } = outcome;
  return { type: "refused", dimensions, rows, reason, isDependent: type === "dependent" };
}

type Outcome =
  | (CompiledVariant & { readonly type: "program" })
  | { readonly type: "fallback" | "dependent"; readonly reason: string };

async function compileStored(
  { store, compilers, device }: Backends,
  { source, dimensions, modelBytes }: VariantRequest,
  batch: BatchOf | undefined,
  progress: (progress: DeployProgress) => void,
): Promise<Outcome> {
  using _hold = store.hold();
  await using folder = await store.makeWorkFolder();
  const params = { ...source, dimensions, ...(batch && { batch }), outputFolder: folder.path };
  const limitMs = batch === undefined ? timeLimitMs : batchTimeLimitMs;
  try {
    const { reply, programJson } = await compilers.compile(tenantOf(device.owner), params, {
      ...{ modelBytes, limitMs },
      onProgress: progress,
    });
    if (reply.type !== "program") return reply;
    progress({ phase: "store", message: `storing ${reply.weights.length} weights` });
    for (const { digest } of reply.weights) {
      const stored = await store.blobs.put(await readFile(join(folder.path, digest)));
      if (stored !== digest)
        throw new DawnletError("CORRUPT_DATA", `A compiled weight has digest ${stored}: expected ${digest}`);
    }
    return {
      type: "program",
      program: await store.programs.put(programJson!),
      weights: reply.weights.map(({ digest }) => digest),
      maxAbsoluteError: reply.maxAbsoluteError,
      slowestRunMs: reply.slowestRunMs,
      writesBeforeReads: reply.writesBeforeReads,
    };
  } catch (error) {
    // The compiler process itself gave way, or took too long: the reference may still serve.
    const isOurs = error instanceof DawnletError && servedOtherwise.has(error.code);
    if (isOurs) return { type: "fallback", reason: error.message };
    throw error;
  }
}
