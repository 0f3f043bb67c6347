/**
 * Records a model: runs it on ORT's WebGPU provider until nothing new is set up, notes one run, notes another on
 * other inputs, and makes a Program of it if the two asked the same of the GPU.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { checkProgram } from "../../kernels/program/parse.ts";
import type { ProgramWithWeights } from "../../kernels/program/program.ts";
import { alignTo4, elementCount, type Tensor, type TensorSpec, tensorBytes } from "../../kernels/tensor.ts";
import { createGpuSession, type GpuSession, type GpuTensor, gpuDataTypes, type ModelFiles } from "../ort.ts";
import {
  buildProgram,
  type ProgramDraft,
  type RecordedTensor,
  type RecordedWeight,
} from "./build-program.ts";
import { type PipelineLayouts, Recorder } from "./recorder.ts";
import { type Stream, streamDifference } from "./stream.ts";

/** Why a model cannot be a Program; the fallback serves it and shows this. */
export class NotRecordable extends Error {}

/** Before anything else is done with a model. @throws NotRecordable for inputs that no GPUBuffer can hold. */
export function checkRecordable(inputs: readonly TensorSpec[]): void {
  for (const { name, dataType, shape } of inputs) {
    if (!gpuDataTypes.has(dataType))
      throw new NotRecordable(`input '${name}' is of type ${dataType}, which stays on the CPU`);
    if (elementCount(shape) === 0) throw new NotRecordable(`input '${name}' has no elements`);
  }
}

export interface RecordOptions {
  /** A device of the recorder's own: its methods are replaced. */
  readonly device: GPUDevice;
  readonly layouts: PipelineLayouts;
  readonly files: ModelFiles;
  /** As `checkRecordable` takes them. */
  readonly inputs: readonly TensorSpec[];
  /** Two sets of values for the inputs, in order, that differ. */
  readonly samples: readonly [readonly Tensor[], readonly Tensor[]];
}

/**
 * @param use gets the Program while the session still holds its pipelines, so that a replay on the same device
 * need not compile them again.
 * @throws NotRecordable with a reason for people.
 * @throws DawnletError UNSUPPORTED_MODEL when ORT cannot load the model.
 */
export async function recordModel<T>(
  { device, layouts, files, inputs, samples }: RecordOptions,
  use: (recorded: ProgramWithWeights) => Promise<T>,
): Promise<T> {
  const recorder = new Recorder(device, layouts);
  const session = await createGpuSession(device, files);
  try {
    const gpuInputs = inputs.map((spec) => createInput(device, spec));
    const run = async (sample: readonly Tensor[]) => {
      for (const [i, { buffer }] of gpuInputs.entries()) writeTensor(device, buffer, sample[i]!);
      return runOnce(session, gpuInputs);
    };
    // The first run makes pipelines and buffers. Where it reads nothing back, nothing that ORT does later depends on
    // what the GPU computes, and the runs that are noted need not be computed.
    const warmUp = await note(recorder, device, true, () => run(samples[1]));
    warmUp.result.dispose();
    const submits = warmUp.stream.obstacles.length > 0;
    const draft = await recordSteadyRun(
      async (turn) => {
        const { result, stream } = await note(recorder, device, submits, () => run(samples[turn % 2]!));
        const asked = withoutInputWrites(stream, gpuInputs, recorder);
        const outputs = result.outputs.map(({ spec, buffer }) => ({
          spec,
          buffer: recorder.bufferOf(buffer),
        }));
        result.dispose();
        return { stream: asked, outputs };
      },
      gpuInputs.map(({ spec, buffer }) => ({ spec, buffer: recorder.bufferOf(buffer) })),
    );

    const weights = new Map<string, Uint8Array>();
    const digests: string[] = [];
    for (const weight of draft.weights) {
      const bytes = await readWeight(device, weight);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
      weights.set(digest, bytes);
      digests.push(digest);
    }
    for (const { buffer } of gpuInputs) buffer.destroy();
    const program = draft.finish(digests);
    checkProgram(program);
    return await use({ program, weights });
  } finally {
    await session.release().catch(() => undefined);
  }
}

interface NotedRun {
  readonly stream: Stream;
  readonly outputs: readonly RecordedTensor[];
}

/** Runs noted at most: what has not settled by then depends on the inputs. */
const maxNotedRuns = 4;

/**
 * Notes runs on the two samples in turn until two that follow each other ask the same of the GPU. Most models settle
 * at once; some allocate on their second run too.
 */
async function recordSteadyRun(
  noteRun: (turn: number) => Promise<NotedRun>,
  inputs: readonly RecordedTensor[],
): Promise<ProgramDraft> {
  let previous = await noteRun(0);
  let difference: string | undefined;
  for (let turn = 1; turn < maxNotedRuns; turn++) {
    // A weight that this run reads is still there after it: the draft is made from the last run.
    const next = await noteRun(turn);
    const [obstacle] = next.stream.obstacles;
    if (obstacle !== undefined) throw new NotRecordable(obstacle);
    difference = streamDifference(previous.stream, next.stream);
    if (difference === undefined) return buildProgram(next.stream, inputs, next.outputs);
    previous = next;
  }
  throw new NotRecordable(difference);
}

async function runOnce(session: GpuSession, inputs: readonly GpuTensor[]) {
  try {
    return await session.run(inputs);
  } catch (error) {
    if (error instanceof DawnletError) throw new NotRecordable(error.message);
    throw new NotRecordable(
      `ONNX Runtime's WebGPU provider cannot run it: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function note<T>(
  recorder: Recorder,
  device: GPUDevice,
  submits: boolean,
  run: () => Promise<T>,
): Promise<{ result: T; stream: Stream }> {
  recorder.start({ submits });
  let stream: Stream | undefined;
  try {
    const result = await run();
    stream = recorder.stop();
    await device.queue.onSubmittedWorkDone();
    return { result, stream };
  } finally {
    if (stream === undefined) recorder.stop();
  }
}

/** Our own writes of the inputs are no part of the run. */
function withoutInputWrites(stream: Stream, inputs: readonly GpuTensor[], recorder: Recorder): Stream {
  const own = new Set(inputs.map(({ buffer }) => recorder.bufferOf(buffer)));
  return {
    ...stream,
    events: stream.events.filter((event) => !(event.type === "write" && own.has(event.buffer))),
  };
}

function createInput(device: GPUDevice, spec: TensorSpec): GpuTensor {
  // ORT rounds its own buffers to 16 bytes and reads vec4s.
  const size = Math.max(16, Math.ceil(tensorBytes(spec.dataType, spec.shape) / 16) * 16);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  return { spec, buffer: device.createBuffer({ size, usage }) };
}

function writeTensor(device: GPUDevice, buffer: GPUBuffer, { data }: Tensor): void {
  const padded = new Uint8Array(alignTo4(data.byteLength));
  padded.set(data);
  if (padded.byteLength > 0) device.queue.writeBuffer(buffer, 0, padded);
}

async function readWeight(
  device: GPUDevice,
  { buffer, sizeBytes }: RecordedWeight,
): Promise<Uint8Array<ArrayBuffer>> {
  const staging = device.createBuffer({
    size: sizeBytes,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer.gpu, 0, staging, 0, sizeBytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(staging.getMappedRange()).slice();
  staging.unmap();
  staging.destroy();
  return bytes;
}
