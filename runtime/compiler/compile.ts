/**
 * One compilation: an ONNX model in one variant → a verified Program with its weights, or the reason why the
 * fallback has to serve it. Owns no process and no file: composition is in main.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { BatchOf } from "../../models/batch-axis.ts";
import { type FileLookup, verifyChecksums } from "../../models/onnx/external.ts";
import { decodeModel } from "../../models/onnx/model.ts";
import type { ModelSignature } from "../../models/onnx/signature.ts";
import { createCpuSession } from "../../models/ort.ts";
import { type Dimensions, prepareBatch, prepareReference, prepareVariant } from "../../models/prepare.ts";
import { checkRecordable, NotRecordable, recordModel } from "../../models/record/record.ts";
import type { PipelineLayouts } from "../../models/record/recorder.ts";
import type { DeviceApi } from "../device/api.ts";
import { ReferenceCases } from "./cases.ts";
import { verifyProgram } from "./verify.ts";
import { findInterference } from "./verify-rows.ts";

export interface ModelBytes {
  readonly model: Uint8Array;
  /** Files beside the model, for external data. */
  readonly files: FileLookup;
}

export interface CompileInput extends ModelBytes {
  readonly dimensions: Dimensions;
  /** Left out: one call a run. Otherwise `dimensions` are those of one example. */
  readonly batch?: BatchOf;
}

export interface CompileContext {
  /** A device for this compilation alone: its methods are watched, and the Program is replayed on it. */
  openDevice(): Promise<CompileDevice>;
  progress(phase: "compile" | "verify", message: string): void;
}

export interface CompileDevice extends Disposable {
  readonly gpu: GPUDevice;
  readonly layouts: PipelineLayouts;
  /** DeviceApi on the same GPUDevice, with weights from memory. */
  serve(weights: ReadonlyMap<string, Uint8Array>): DeviceApi;
}

export type CompileOutcome =
  | {
      readonly type: "program";
      readonly program: Program;
      readonly weights: ReadonlyMap<string, Uint8Array>;
      readonly maxAbsoluteError: number;
      readonly slowestRunMs: number;
      readonly writesBeforeReads: boolean;
    }
  | { readonly type: "fallback"; readonly reason: string }
  /** Of a batch: an example gives something else there than alone. */
  | { readonly type: "dependent"; readonly reason: string };

/**
 * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL where neither the GPU nor the fallback can run the model.
 */
export async function compileModel(input: CompileInput, context: CompileContext): Promise<CompileOutcome> {
  const { model, files, dimensions, batch } = input;
  const prepared =
    batch === undefined
      ? prepareVariant(model, files, dimensions)
      : prepareBatch(model, files, dimensions, batch);
  requireTensors(prepared.signature);
  context.progress("compile", "running the reference on the CPU");
  const session = await createCpuSession(prepared.reference);
  try {
    checkRecordable(prepared.gpuInputs);
    const cases = new ReferenceCases(session, prepared.inputs, prepared.gpuInputs, batch?.rows);
    const ordinary = await cases.ordinary();
    if (typeof ordinary === "string") return { type: "fallback", reason: ordinary };
    context.progress("compile", "recording on the GPU");
    using device = await context.openDevice();
    const recording = {
      device: device.gpu,
      layouts: device.layouts,
      files: prepared.gpu,
      inputs: prepared.gpuInputs.map((spec, i) => ({ ...spec, shape: ordinary[0].inputs[i]!.shape })),
      samples: [ordinary[0].inputs, ordinary[1].inputs] as const,
    };
    return await recordModel(recording, async ({ program, weights }) => {
      context.progress("verify", `replaying ${program.steps.length} steps against the reference`);
      const all = [...ordinary, ...(await cases.further(program))];
      const replays = device.serve(weights);
      const { disagreement, ...verification } = await verifyProgram(replays, program, all);
      if (disagreement !== undefined)
        return {
          type: batch === undefined ? "fallback" : "dependent",
          reason: `the recorded Program disagrees: ${disagreement}`,
        };
      if (batch !== undefined) {
        const { writesBeforeReads } = verification;
        const reason = await findInterference(replays, program, ordinary, { writesBeforeReads });
        if (reason !== undefined) return { type: "dependent", reason };
      }
      return { type: "program", program, weights, ...verification };
    });
  } catch (error) {
    if (error instanceof DawnletError && error.code === "NO_ADAPTER") throw error;
    // Whatever failed on the way to the GPU: the reference runs, so the fallback can serve.
    const what = error instanceof Error ? error.message : String(error);
    return {
      type: "fallback",
      reason: error instanceof NotRecordable ? what : `recording failed: ${what}`,
    };
  } finally {
    await session.release().catch(() => undefined);
  }
}

/**
 * What a model takes and gives, once the files beside it were found to be those that it states and ORT has agreed to
 * load it. The first look at an upload: from then on its files go by digest.
 * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL.
 */
export async function describeModel({ model, files }: ModelBytes): Promise<ModelSignature> {
  await verifyChecksums(decodeModel(model), files);
  const { signature, reference } = prepareReference(model, files);
  requireTensors(signature);
  const session = await createCpuSession(reference);
  await session.release();
  return signature;
}

function requireTensors({ unsupported }: ModelSignature): void {
  const first = unsupported[0];
  if (first === undefined) return;
  throw new DawnletError(
    "UNSUPPORTED_MODEL",
    `Cannot serve the model as its ${first.role} '${first.name}' is ${first.description}`,
  );
}
