/** Inputs and outputs of runs: checked, written into slots, gathered in one staging buffer a round. */
import { DawnletError } from "../../kernels/errors.ts";
import { alignTo4, tensorBytes } from "../../kernels/tensor.ts";
import type { RunOutput } from "./api.ts";
import type { TensorInput } from "./kept-tensors.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { RunTensors } from "./run-tensors.ts";

/** A run, as far as its outputs are concerned. */
export interface OutputsOf {
  readonly program: LoadedProgram;
  readonly tensors?: RunTensors | undefined;
}

/** Writes each input that is bytes, whole; `targets` are by position in `Program.inputs`. */
export function writeInputs(
  queue: GPUQueue,
  targets: readonly GPUBuffer[],
  inputs: readonly TensorInput[],
): void {
  for (const [i, input] of inputs.entries())
    if (input instanceof Uint8Array && input.byteLength > 0) writeWords(queue, targets[i]!, input);
}

/** Encodes the copies of a run's outputs into the staging buffer of its round; those that stay are not among them. */
export function copyOutputs(
  encoder: GPUCommandEncoder,
  sources: readonly GPUBuffer[],
  ranges: readonly OutputRange[],
  staging: GPUBuffer,
): void {
  for (const [i, { offset, copyBytes }] of ranges.entries())
    if (copyBytes > 0) encoder.copyBufferToBuffer(sources[i]!, 0, staging, offset, copyBytes);
}

export interface OutputRange {
  readonly offset: number;
  /** The tensor's own bytes. */
  readonly sizeBytes: number;
  /** The same, rounded up to whole words; 0 for what stays on the device. */
  readonly copyBytes: number;
}

/** Where the outputs of a round lie in its staging buffer. */
export interface OutputPlan {
  /** By run and output. */
  readonly offsets: readonly (readonly OutputRange[])[];
  readonly totalBytes: number;
}

export function planOutputs(runs: readonly OutputsOf[]): OutputPlan {
  let totalBytes = 0;
  const offsets = runs.map(({ program: { program }, tensors }) =>
    program.outputs.map((tensor, i) => {
      const sizeBytes = tensorBytes(tensor.dataType, tensor.shape);
      const copyBytes = tensors?.keeps(i) ? 0 : alignTo4(sizeBytes);
      const range = { offset: totalBytes, sizeBytes, copyBytes };
      // 8-byte alignment lets readers view 64-bit elements in place.
      totalBytes += Math.ceil(copyBytes / 8) * 8;
      return range;
    }),
  );
  return { offsets, totalBytes };
}

/** What a run that succeeded gives its caller. @param staged the bytes of its round's staging buffer. */
export function outputsOf(
  { tensors }: OutputsOf,
  ranges: readonly OutputRange[],
  staged: ArrayBuffer,
): RunOutput[] {
  return ranges.map(
    ({ offset, sizeBytes }, i) =>
      tensors?.give(i) ?? new Uint8Array(staged.slice(offset, offset + sizeBytes)),
  );
}

/** `writeBuffer` takes whole words; the last bytes of an odd tensor are padded with zeros. */
function writeWords(queue: GPUQueue, target: GPUBuffer, bytes: Uint8Array): void {
  const rest = bytes.byteLength % 4;
  if (rest === 0) {
    queue.writeBuffer(target, 0, bytes as Uint8Array<ArrayBuffer>);
    return;
  }
  const whole = bytes.byteLength - rest;
  if (whole > 0) queue.writeBuffer(target, 0, bytes as Uint8Array<ArrayBuffer>, 0, whole);
  const last = new Uint8Array(4);
  last.set(bytes.subarray(whole));
  queue.writeBuffer(target, whole, last);
}

/** @throws DawnletError INVALID_ARGUMENT where there are not the inputs that the Program takes, each of its size. */
export function checkInputs({ program }: LoadedProgram, inputs: readonly TensorInput[]): void {
  if (inputs.length !== program.inputs.length)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot run with ${inputs.length} inputs: the Program takes ${program.inputs.length}`,
    );
  for (const [i, tensor] of program.inputs.entries()) {
    const expected = tensorBytes(tensor.dataType, tensor.shape);
    const input = inputs[i]!;
    const actual = input instanceof Uint8Array ? input.byteLength : input.sizeBytes;
    if (actual !== expected)
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot use input '${tensor.name}' as it has ${actual} bytes: expected ${expected}`,
      );
  }
}
