/**
 * What one run has to do with tensors that stay on the device: those it takes as inputs, and those it leaves as outputs.
 * A run that takes and gives only bytes has none of this.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { alignTo4, tensorBytes } from "../../kernels/tensor.ts";
import type { RunOutput } from "./api.ts";
import { KeptTensor, type KeptTensors, type TensorInput } from "./kept-tensors.ts";
import type { LoadedProgram } from "./loaded-program.ts";

export class RunTensors {
  readonly #tensors: KeptTensors;
  readonly #inputs: readonly TensorInput[];
  /** By output: bytes of those that stay. */
  readonly #keptBytes: readonly (number | undefined)[];
  #outputs: readonly (KeptTensor | undefined)[] | undefined;
  #isReading = true;

  /** Until it is submitted or fails, its inputs stay, even where they are released meanwhile. */
  constructor(
    tensors: KeptTensors,
    inputs: readonly TensorInput[],
    keptBytes: readonly (number | undefined)[],
  ) {
    this.#tensors = tensors;
    this.#inputs = inputs;
    this.#keptBytes = keptBytes;
    for (const input of inputs) if (input instanceof KeptTensor) input.retain();
  }

  /** Whether it leaves any. */
  get isKeeping(): boolean {
    return this.#keptBytes.some((sizeBytes) => sizeBytes !== undefined);
  }

  keeps(output: number): boolean {
    return this.#keptBytes[output] !== undefined;
  }

  /** Makes the buffers of what it leaves, all or none; none again. @throws DawnletError as Ledger.createBuffer. */
  reserve(): void {
    if (this.#outputs !== undefined) return;
    const made: (KeptTensor | undefined)[] = [];
    try {
      for (const sizeBytes of this.#keptBytes)
        made.push(sizeBytes === undefined ? undefined : this.#tensors.create(sizeBytes));
    } catch (error) {
      for (const tensor of made) tensor?.release();
      throw error;
    }
    this.#outputs = made;
  }

  /** Encodes what comes before the run's own commands. @param targets by position in `Program.inputs`. */
  copyIn(encoder: GPUCommandEncoder, targets: readonly GPUBuffer[]): void {
    for (const [i, input] of this.#inputs.entries()) {
      if (!(input instanceof KeptTensor) || input.gpu === undefined) continue;
      encoder.copyBufferToBuffer(input.gpu, 0, targets[i]!, 0, alignTo4(input.sizeBytes));
    }
  }

  /** Encodes what comes behind them. @param sources by position in `Program.outputs`. */
  copyOut(encoder: GPUCommandEncoder, sources: readonly GPUBuffer[]): void {
    for (const [i, tensor] of (this.#outputs ?? []).entries())
      if (tensor !== undefined) this.#tensors.fill(encoder, tensor, sources[i]!);
  }

  /** Its inputs were copied, by what is submitted now. */
  submitted(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    for (const input of this.#inputs) if (input instanceof KeptTensor) input.letGo();
  }

  /** It has ended without an answer: nobody is going to use what it leaves. */
  failed(): void {
    this.submitted();
    for (const tensor of this.#outputs ?? []) tensor?.release();
    this.#outputs = undefined;
  }

  /** Hands an output over to the caller; undefined where it does not stay. To be called once, for one that succeeded. */
  give(output: number): RunOutput | undefined {
    const tensor = this.#outputs?.[output];
    return tensor && { tensor: this.#tensors.name(tensor), sizeBytes: tensor.sizeBytes };
  }
}

/**
 * @returns undefined for a run that takes and gives bytes.
 * @throws DawnletError INVALID_ARGUMENT where more outputs are to be kept than there are.
 */
export function runTensors(
  tensors: KeptTensors,
  { program }: LoadedProgram,
  inputs: readonly TensorInput[],
  keep: readonly boolean[] | undefined,
): RunTensors | undefined {
  const isKeeping = keep?.includes(true) === true;
  if (!isKeeping && !inputs.some((input) => input instanceof KeptTensor)) return undefined;
  if (keep !== undefined && keep.length > program.outputs.length)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot keep ${keep.length} outputs: the Program has ${program.outputs.length}`,
    );
  const keptBytes = program.outputs.map(({ dataType, shape }, i) =>
    keep?.[i] ? tensorBytes(dataType, shape) : undefined,
  );
  return new RunTensors(tensors, inputs, keptBytes);
}
