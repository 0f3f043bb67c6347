/**
 * Bytes of one client's buffers against its budget. A buffer counts until it is destroyed, or until nothing on the
 * device's side holds it any more: a client may drop a buffer that its bind groups still use.
 */
export class BufferBytes {
  readonly budgetBytes: number;
  #used = 0;
  /** By the buffer, so that it is counted down once. */
  readonly #sizes = new WeakMap<GPUBuffer, { bytes: number }>();
  readonly #collected = new FinalizationRegistry<{ bytes: number }>((size) => this.#drop(size));

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get used(): number {
    return this.#used;
  }

  hasRoom(bytes: number): boolean {
    return this.#used + bytes <= this.budgetBytes;
  }

  add(buffer: GPUBuffer): void {
    const size = { bytes: buffer.size };
    this.#used += size.bytes;
    this.#sizes.set(buffer, size);
    this.#collected.register(buffer, size);
  }

  destroy(buffer: GPUBuffer): void {
    buffer.destroy();
    const size = this.#sizes.get(buffer);
    if (size !== undefined) this.#drop(size);
  }

  /** All of them were destroyed. */
  clear(): void {
    this.#used = 0;
  }

  #drop(size: { bytes: number }): void {
    this.#used = Math.max(0, this.#used - size.bytes);
    size.bytes = 0;
  }
}
