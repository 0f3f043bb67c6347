/**
 * Tensors that stay on the device between runs: an output of one run, copied to a buffer of its own, to be an input of
 * others. Who keeps which, and for how long, the caller decides; here they are only counted, named and freed. What a
 * single run does with them is in run-tensors.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { alignTo4 } from "../../kernels/tensor.ts";
import type { RunInput } from "./api.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import { TailMask } from "./tail-mask.ts";

/** Freed once it is released and no run that was accepted still has to read it. */
export class KeptTensor {
  /** Without the padding to whole words. */
  readonly sizeBytes: number;
  readonly #buffer: CountedBuffer | undefined;
  #readers = 0;
  #isReleased = false;

  /** @param buffer left out where the tensor has no elements. */
  constructor(sizeBytes: number, buffer: CountedBuffer | undefined) {
    this.sizeBytes = sizeBytes;
    this.#buffer = buffer;
  }

  /** Holds the bytes, and zeros up to the next whole word; undefined where there are none. */
  get gpu(): GPUBuffer | undefined {
    return this.#buffer?.gpu;
  }

  /** Somebody is going to read it. */
  retain(): void {
    this.#readers++;
  }

  /** What reads it was submitted, or never will be. */
  letGo(): void {
    this.#readers--;
    this.#freeIfUnused();
  }

  release(): void {
    this.#isReleased = true;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    // Work that was submitted keeps its memory.
    if (this.#isReleased && this.#readers === 0) this.#buffer?.destroy();
  }
}

/** An input as the executor takes it. */
export type TensorInput = Uint8Array | KeptTensor;

export class KeptTensors {
  readonly #ledger: Ledger;
  readonly #mask: TailMask;
  readonly #named = new Map<string, KeptTensor>();
  #count = 0;

  constructor(device: GPUDevice, ledger: Ledger) {
    this.#ledger = ledger;
    this.#mask = new TailMask(device);
  }

  /** Room for a tensor that nobody knows yet. @throws DawnletError as Ledger.createBuffer. */
  create(sizeBytes: number): KeptTensor {
    if (sizeBytes === 0) return new KeptTensor(0, undefined);
    const copied = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const usage = sizeBytes % 4 === 0 ? copied : copied | GPUBufferUsage.STORAGE;
    return new KeptTensor(
      sizeBytes,
      this.#ledger.createBuffer("tensor", { size: alignTo4(sizeBytes), usage }),
    );
  }

  /** Encodes filling a tensor from the start of a buffer. */
  fill(encoder: GPUCommandEncoder, { gpu, sizeBytes }: KeptTensor, source: GPUBuffer): void {
    if (gpu === undefined) return;
    encoder.copyBufferToBuffer(source, 0, gpu, 0, alignTo4(sizeBytes));
    // A Program may leave anything behind the end. Those that read whole words see zeros there, as of bytes.
    this.#mask.encode(encoder, gpu, sizeBytes);
  }

  /** Gives a tensor the id by which callers know it. */
  name(tensor: KeptTensor): string {
    const id = `t${++this.#count}`;
    this.#named.set(id, tensor);
    return id;
  }

  /** @throws DawnletError NOT_FOUND, with the id as the detail `tensor`. */
  find(id: string): KeptTensor {
    const tensor = this.#named.get(id);
    if (tensor !== undefined) return tensor;
    throw new DawnletError(
      "NOT_FOUND",
      `Cannot use tensor '${id}' as it is not on this device: it was released, or never was there`,
      { details: { tensor: id } },
    );
  }

  /** @throws DawnletError NOT_FOUND, as `find`. */
  resolve(inputs: readonly RunInput[]): readonly TensorInput[] {
    return inputs.map((input) => (input instanceof Uint8Array ? input : this.find(input.tensor)));
  }

  /** Unknown ids are ignored. */
  release(ids: readonly string[]): void {
    for (const id of ids) {
      this.#named.get(id)?.release();
      this.#named.delete(id);
    }
  }
}
