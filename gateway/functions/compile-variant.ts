/** One variant of a model through the compiler process and into the store. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
import type { ModelSource } from "../../runtime/compiler/protocol.ts";
import type { DeployProgress } from "./functions.ts";
import type { ModelVariant } from "./record.ts";
import type { Backends } from "./servable.ts";

export interface VariantRequest {
  readonly source: ModelSource;
  readonly dimensions: Readonly<Record<string, number>>;
  readonly modelBytes: number;
}

/** A model that cannot be compiled in this time is served by the fallback. */
const timeLimitMs = 10 * 60_000;

/** What a compilation fails with where the reference may still serve. */
const servedOtherwise: ReadonlySet<ErrorCode> = new Set(["UNSUPPORTED_MODEL", "DEADLINE_EXCEEDED"]);

/**
 * @throws DawnletError INVALID_MODEL, INVALID_ARGUMENT, UNAVAILABLE. What only ORT's WebGPU provider refuses gives a
 * fallback variant with the reason.
 */
export async function compileVariant(
  { store, compiler }: Backends,
  { source, dimensions, modelBytes }: VariantRequest,
  progress: (progress: DeployProgress) => void,
): Promise<ModelVariant> {
  using _hold = store.hold();
  await using folder = await store.makeWorkFolder();
  const params = { ...source, dimensions, outputFolder: folder.path };
  try {
    const { reply, programJson } = await compiler.compile(params, modelBytes, timeLimitMs, progress);
    if (reply.type === "fallback") return { type: "fallback", dimensions, reason: reply.reason };
    progress({ phase: "store", message: `storing ${reply.weights.length} weights` });
    for (const { digest } of reply.weights) {
      const stored = await store.blobs.put(await readFile(join(folder.path, digest)));
      if (stored !== digest)
        throw new DawnletError("CORRUPT_DATA", `A compiled weight has digest ${stored}: expected ${digest}`);
    }
    return {
      type: "program",
      dimensions,
      program: await store.programs.put(programJson!),
      weights: reply.weights.map(({ digest }) => digest),
      maxAbsoluteError: reply.maxAbsoluteError,
      slowestRunMs: reply.slowestRunMs,
      writesBeforeReads: reply.writesBeforeReads,
    };
  } catch (error) {
    // The compiler process itself gave way, or took too long: the reference may still serve.
    const isOurs = error instanceof DawnletError && servedOtherwise.has(error.code);
    if (isOurs) return { type: "fallback", dimensions, reason: error.message };
    throw error;
  }
}
