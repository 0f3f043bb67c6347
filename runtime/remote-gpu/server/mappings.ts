/** Buffers of one client that are mapped on the device's side while the client reads or writes its copy of them. */

const mapWrite = 2;

interface Mapping {
  readonly offset: number;
  readonly size: number;
  /** What is mapped, once it was asked for: the device gives a range out once. */
  range: ArrayBuffer | undefined;
  readonly isWritable: boolean;
}

export class Mappings {
  readonly #mapped = new WeakMap<GPUBuffer, Mapping>();

  /** @returns a copy of what is mapped. */
  async map(buffer: GPUBuffer, mode: number, offset: number, size: number): Promise<Uint8Array> {
    await buffer.mapAsync(mode, offset, size);
    const range = buffer.getMappedRange(offset, size);
    this.#mapped.set(buffer, { offset, size, range, isWritable: (mode & mapWrite) !== 0 });
    return new Uint8Array(range.slice(0));
  }

  created(buffer: GPUBuffer): void {
    this.#mapped.set(buffer, { offset: 0, size: buffer.size, range: undefined, isWritable: true });
  }

  /** Writes what the client wrote, as far as it lies within what was mapped, and unmaps. */
  unmap(
    buffer: GPUBuffer,
    ranges: ReadonlyArray<{ readonly offset: number; readonly bytes: Uint8Array }>,
  ): void {
    const mapping = this.#mapped.get(buffer);
    this.#mapped.delete(buffer);
    if (mapping?.isWritable) {
      mapping.range ??= buffer.getMappedRange(mapping.offset, mapping.size);
      const target = new Uint8Array(mapping.range);
      for (const { offset, bytes } of ranges) target.set(bytes, offset - mapping.offset);
    }
    buffer.unmap();
  }

  forget(buffer: GPUBuffer): void {
    this.#mapped.delete(buffer);
  }
}
