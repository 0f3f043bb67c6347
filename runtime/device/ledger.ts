/**
 * Counts the bytes of every GPUBuffer that this device process creates, by what they hold, and refuses those
 * over the budget. WebGPU cannot say how much memory is free, so what is counted here is what there is.
 */
import { DawnletError } from "../../kernels/errors.ts";

/** `session`: what clients of remote-gpu made, who see only that. */
export type MemoryKind = "weight" | "activation" | "constant" | "staging" | "tensor" | "session";

/** A buffer whose bytes are counted until `destroy`. */
export interface CountedBuffer {
  readonly gpu: GPUBuffer;
  readonly sizeBytes: number;
  /** Destroying twice counts once. */
  destroy(): void;
}

export class Ledger {
  readonly budgetBytes: number;
  readonly #device: GPUDevice;
  readonly #bytes = { weight: 0, activation: 0, constant: 0, staging: 0, tensor: 0, session: 0 };
  #totalBytes = 0;

  readonly #relievers: ((neededBytes: number) => void)[] = [];

  constructor(device: GPUDevice, budgetBytes: number) {
    this.#device = device;
    this.budgetBytes = budgetBytes;
  }

  bytes(kind: MemoryKind): number {
    return this.#bytes[kind];
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  get freeBytes(): number {
    return this.budgetBytes - this.totalBytes;
  }

  /** Registers who may be able to destroy buffers that are of no use now, when one is to be created. */
  onPressure(relieve: (neededBytes: number) => void): void {
    this.#relievers.push(relieve);
  }

  /**
   * For buffers that are needed at the same time.
   * @throws DawnletError OUT_OF_MEMORY, without `neededBytes`, where even an empty device has no room for them.
   */
  checkBudget(kind: MemoryKind, sizeBytes: number): void {
    if (sizeBytes > this.budgetBytes)
      throw new DawnletError(
        "OUT_OF_MEMORY",
        `Cannot create ${kind} buffers of ${sizeBytes} bytes: the budget is ${this.budgetBytes} bytes in all`,
      );
  }

  /**
   * @throws DawnletError LIMIT_EXCEEDED when one buffer cannot be that large on this device,
   * OUT_OF_MEMORY, with `neededBytes`, when the budget has no room for it now, and without, when it never has.
   */
  createBuffer(kind: MemoryKind, descriptor: GPUBufferDescriptor): CountedBuffer {
    const sizeBytes = descriptor.size;
    const limit = this.#device.limits.maxBufferSize;
    if (sizeBytes > limit)
      throw new DawnletError(
        "LIMIT_EXCEEDED",
        `Cannot create a ${kind} buffer of ${sizeBytes} bytes: this device allows ${limit}`,
      );
    this.take(kind, sizeBytes);
    const gpu = this.#device.createBuffer(descriptor);
    let isAlive = true;
    return {
      gpu,
      sizeBytes,
      destroy: () => {
        if (!isAlive) return;
        isAlive = false;
        this.give(kind, sizeBytes);
        gpu.destroy();
      },
    };
  }

  /**
   * Counts bytes that somebody else is about to create.
   * @throws DawnletError OUT_OF_MEMORY as `createBuffer`.
   */
  take(kind: MemoryKind, sizeBytes: number): void {
    this.checkBudget(kind, sizeBytes);
    for (const relieve of this.#relievers)
      if (sizeBytes > this.freeBytes) relieve(sizeBytes - this.freeBytes);
    if (sizeBytes > this.freeBytes)
      throw new DawnletError(
        "OUT_OF_MEMORY",
        `Cannot create a ${kind} buffer of ${sizeBytes} bytes: ${this.totalBytes} of the budget of ${this.budgetBytes} bytes are in use`,
        { details: { neededBytes: sizeBytes - this.freeBytes } },
      );
    this.#count(kind, sizeBytes);
  }

  /** They are gone. */
  give(kind: MemoryKind, sizeBytes: number): void {
    this.#count(kind, -sizeBytes);
  }

  #count(kind: MemoryKind, bytes: number): void {
    this.#bytes[kind] += bytes;
    this.#totalBytes += bytes;
  }
}
