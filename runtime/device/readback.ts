/**
 * Staging buffers through which outputs come back. A buffer is taken for a round, mapped once when the GPU is
 * done, and given back; sizes are rounded up to powers of two so that few buffers serve all.
 */
import type { CountedBuffer, Ledger } from "./ledger.ts";

const smallestBytes = 64 * 1024;
/** Buffers beyond this many free bytes are destroyed rather than kept. */
const keepBytes = 64 * 2 ** 20;

export class ReadbackPool {
  readonly #ledger: Ledger;
  readonly #free: CountedBuffer[] = [];

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  take(neededBytes: number): CountedBuffer {
    let sizeBytes = smallestBytes;
    while (sizeBytes < neededBytes) sizeBytes *= 2;
    const index = this.#free.findIndex((buffer) => buffer.sizeBytes === sizeBytes);
    if (index >= 0) return this.#free.splice(index, 1)[0]!;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    return this.#ledger.createBuffer("staging", { size: sizeBytes, usage });
  }

  /** The buffer must be unmapped. */
  give(buffer: CountedBuffer): void {
    const kept = this.#free.reduce((sum, b) => sum + b.sizeBytes, 0);
    if (kept + buffer.sizeBytes > keepBytes) buffer.destroy();
    else this.#free.push(buffer);
  }

  clear(): void {
    for (const buffer of this.#free.splice(0)) buffer.destroy();
  }
}
