/** Inputs and outputs of runs: checked, written into slots, gathered in one staging buffer a round. */
import { DawnletError } from "../../kernels/errors.ts";
import { alignTo4, tensorBytes } from "../../kernels/tensor.ts";
import type { LoadedProgram } from "./loaded-program.ts";

/** Writes each input whole; `targets` are by position in `Program.inputs`. */
export function writeInputs(
  queue: GPUQueue,
  targets: readonly GPUBuffer[],
  inputs: readonly Uint8Array[],
): void {
  for (const [i, bytes] of inputs.entries()) if (bytes.byteLength > 0) writeWords(queue, targets[i]!, bytes);
}

/** Encodes the copies of a run's outputs into the staging buffer of its round. */
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
  /** The same, rounded up to whole words. */
  readonly copyBytes: number;
}

/** Where the outputs of a round lie in its staging buffer. */
export interface OutputPlan {
  /** By run and output. */
  readonly offsets: readonly (readonly OutputRange[])[];
  readonly totalBytes: number;
}

export function planOutputs(programs: readonly LoadedProgram[]): OutputPlan {
  let totalBytes = 0;
  const offsets = programs.map(({ program }) =>
    program.outputs.map((tensor) => {
      const sizeBytes = tensorBytes(tensor.dataType, tensor.shape);
      const copyBytes = alignTo4(sizeBytes);
      const range = { offset: totalBytes, sizeBytes, copyBytes };
      // 8-byte alignment lets readers view 64-bit elements in place.
      totalBytes += Math.ceil(copyBytes / 8) * 8;
      return range;
    }),
  );
  return { offsets, totalBytes };
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
export function checkInputs({ program }: LoadedProgram, inputs: readonly Uint8Array[]): void {
  if (inputs.length !== program.inputs.length)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot run with ${inputs.length} inputs: the Program takes ${program.inputs.length}`,
    );
  for (const [i, tensor] of program.inputs.entries()) {
    const expected = tensorBytes(tensor.dataType, tensor.shape);
    const actual = inputs[i]!.byteLength;
    if (actual !== expected)
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot use input '${tensor.name}' as it has ${actual} bytes: expected ${expected}`,
      );
  }
}
