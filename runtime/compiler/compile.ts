/**
 * One compilation: an ONNX model in one variant → a verified Program with its weights, or the reason why the
 * fallback has to serve it. Owns no process and no file: composition is in main.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Program } from "../../kernels/program/program.ts";
import { narrowTensor, type Tensor, type TensorSpec, type Tensors } from "../../kernels/tensor.ts";
import type { FileLookup } from "../../models/onnx/external.ts";
import type { ModelSignature } from "../../models/onnx/signature.ts";
import { type CpuSession, createCpuSession } from "../../models/ort.ts";
import { type Dimensions, prepareReference, prepareVariant } from "../../models/prepare.ts";
import { NotRecordable, recordModel } from "../../models/record/record.ts";
import type { PipelineLayouts } from "../../models/record/recorder.ts";
import { type SampleDomain, sampleDomains, sampleTensor, stressDomain } from "../../models/verify/samples.ts";
import type { DeviceApi } from "../device/api.ts";
import { type VerificationCase, verifyProgram } from "./verify.ts";

export interface ModelBytes {
  readonly model: Uint8Array;
  /** Files beside the model, for external data. */
  readonly files: FileLookup;
}

export interface CompileInput extends ModelBytes {
  readonly dimensions: Dimensions;
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
      readonly writesBeforeReads: boolean;
    }
  | { readonly type: "fallback"; readonly reason: string };

/**
 * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL where neither the GPU nor the fallback can run the model.
 */
export async function compileModel(input: CompileInput, context: CompileContext): Promise<CompileOutcome> {
  const prepared = prepareVariant(input.model, input.files, input.dimensions);
  requireTensors(prepared.signature);
  context.progress("compile", "running the reference on the CPU");
  const session = await createCpuSession(prepared.reference);
  try {
    const cases = await referenceCases(session, prepared.inputs);
    if (typeof cases === "string") return { type: "fallback", reason: cases };
    context.progress("compile", "recording on the GPU");
    using device = await context.openDevice();
    const gpuCases = cases.map((one) => asProgramInputs(one, prepared.gpuInputs));
    const samples = [gpuCases[0]!.inputs, gpuCases[1]!.inputs] as const;
    const recording = {
      device: device.gpu,
      layouts: device.layouts,
      files: prepared.gpu,
      inputs: prepared.gpuInputs,
      samples,
    };
    return await recordModel(recording, async ({ program, weights }) => {
      context.progress("verify", `replaying ${program.steps.length} steps against the reference`);
      const { disagreement, ...verification } = await verifyProgram(device.serve(weights), program, gpuCases);
      if (disagreement !== undefined)
        return { type: "fallback", reason: `the recorded Program disagrees: ${disagreement}` };
      return { type: "program", program, weights, ...verification };
    });
  } catch (error) {
    if (error instanceof NotRecordable) return { type: "fallback", reason: error.message };
    throw error;
  } finally {
    await session.release().catch(() => undefined);
  }
}

/** What a model takes and gives, once ORT has agreed to load it. */
export async function describeModel({ model, files }: ModelBytes): Promise<ModelSignature> {
  const { signature, reference } = prepareReference(model, files);
  requireTensors(signature);
  const session = await createCpuSession(reference);
  await session.release();
  return signature;
}

/**
 * Inputs that the model accepts, with the reference's answers: two random draws of one domain, which are also what
 * is recorded, and one of large values where the model takes them.
 * @returns a reason in words where no domain is accepted.
 */
async function referenceCases(
  session: CpuSession,
  specs: readonly TensorSpec[],
): Promise<VerificationCase[] | string> {
  let refusal = "";
  for (const domain of sampleDomains) {
    try {
      const cases = [
        await referenceCase(session, specs, domain, 1),
        await referenceCase(session, specs, domain, 2),
      ];
      const stress = await referenceCase(session, specs, stressDomain, 3).catch(() => undefined);
      return stress === undefined ? cases : [...cases, stress];
    } catch (error) {
      refusal = error instanceof Error ? error.message : String(error);
    }
  }
  return `no sample input is accepted, so nothing could be verified (${refusal})`;
}

/** Samples are small: those that the Program takes as int32 fit. */
function asProgramInputs(
  { inputs, expected }: VerificationCase,
  specs: readonly TensorSpec[],
): VerificationCase {
  const converted = inputs.map((tensor, i) =>
    tensor.dataType === specs[i]!.dataType ? tensor : narrowTensor(tensor)!,
  );
  return { inputs: converted, expected };
}

async function referenceCase(
  session: CpuSession,
  specs: readonly TensorSpec[],
  domain: SampleDomain,
  seed: number,
): Promise<VerificationCase> {
  const inputs: Tensor[] = specs.map((spec, i) => sampleTensor(spec, domain, seed * 1000 + i));
  const named: Tensors = Object.fromEntries(specs.map(({ name }, i) => [name, inputs[i]!]));
  return { inputs, expected: await session.run(named) };
}

function requireTensors({ unsupported }: ModelSignature): void {
  const first = unsupported[0];
  if (first === undefined) return;
  throw new DawnletError(
    "UNSUPPORTED_MODEL",
    `Cannot serve the model as its ${first.role} '${first.name}' is ${first.description}`,
  );
}
