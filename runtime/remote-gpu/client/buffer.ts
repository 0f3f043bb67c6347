/**
 * A GPUBuffer of a remote device. While it is mapped its bytes lie here: they came with the answer to `mapAsync`, and
 * go back with `unmap`.
 */
import { command } from "../protocol.ts";
import type { Connection } from "./connection.ts";
import { optionalSize64, size64, uint32 } from "./numbers.ts";
import { RemoteObject } from "./objects.ts";

const mapRead = 1;
const mapWrite = 2;

interface Range {
  readonly offset: number;
  readonly bytes: ArrayBuffer;
}

interface Mapping {
  readonly mode: number;
  readonly offset: number;
  readonly end: number;
  /** What was there when it was mapped, from `offset` on; undefined: zeros. */
  readonly content: Uint8Array | undefined;
  readonly ranges: Range[];
}

export class RemoteBuffer extends RemoteObject implements GPUBuffer {
  declare readonly __brand: "GPUBuffer";
  readonly size: GPUSize64Out;
  readonly usage: GPUFlagsConstant;
  readonly #mapped: Set<RemoteBuffer>;
  #mapping: Mapping | undefined;
  #pending: { readonly abort: (error: DOMException) => void } | undefined;

  /** @param mapped where it stands while it is mapped or about to be. */
  constructor(
    connection: Connection,
    id: number,
    descriptor: GPUBufferDescriptor,
    mapped: Set<RemoteBuffer>,
  ) {
    super(connection, id, descriptor.label);
    this.#mapped = mapped;
    this.size = descriptor.size;
    this.usage = descriptor.usage;
    if (descriptor.mappedAtCreation === true) {
      this.#mapping = { mode: mapWrite, offset: 0, end: this.size, content: undefined, ranges: [] };
      mapped.add(this);
    }
  }

  get mapState(): GPUBufferMapState {
    if (this.#mapping !== undefined) return "mapped";
    return this.#pending === undefined ? "unmapped" : "pending";
  }

  async mapAsync(mode: GPUMapModeFlags, offset: GPUSize64 = 0, size?: GPUSize64): Promise<undefined> {
    // Before anything is written: these may throw.
    const flags = uint32(mode, "mode");
    const from = size64(offset, "offset");
    const length = optionalSize64(size, "size") ?? Math.max(0, this.size - from);
    if (this.mapState !== "unmapped") {
      const message = `The buffer '${this.label}' is mapped already, or about to be`;
      this.connection.invalid(message);
      throw operationError(message);
    }
    const aborted = Promise.withResolvers<never>();
    const pending = { abort: aborted.reject };
    this.#pending = pending;
    this.#mapped.add(this);
    const mapped = this.connection.request<Uint8Array>(command.map, (words) => {
      words.words2(this.id, flags);
      words.long(from);
      words.long(length);
    });
    try {
      const content = await Promise.race([mapped, aborted.promise]);
      // It may have been unmapped after the answer came, and before it was heard here.
      if (this.#pending !== pending) throw abortError("The buffer was unmapped before it was mapped");
      this.#pending = undefined;
      this.#mapping = { mode: flags, offset: from, end: from + length, content, ranges: [] };
    } catch (error) {
      mapped.catch(() => undefined);
      aborted.promise.catch(() => undefined);
      if (this.#pending === pending) this.#pending = undefined;
      if (this.mapState === "unmapped") this.#mapped.delete(this);
      throw error;
    }
  }

  getMappedRange(offset: GPUSize64 = 0, size?: GPUSize64): ArrayBuffer {
    const from = size64(offset, "offset");
    const length = optionalSize64(size, "size") ?? Math.max(0, this.size - from);
    const mapping = this.#mapping;
    if (mapping === undefined) throw operationError(`The buffer '${this.label}' is not mapped`);
    if (from % 8 !== 0 || length % 4 !== 0)
      throw operationError(
        `A range of ${length} bytes at ${from}: its offset must be a multiple of 8, its size of 4`,
      );
    if (from < mapping.offset || from + length > mapping.end)
      throw operationError(
        `A range of ${length} bytes at ${from} lies outside what is mapped: ${mapping.offset} to ${mapping.end}`,
      );
    const overlaps = mapping.ranges.some(
      (range) => from < range.offset + range.bytes.byteLength && range.offset < from + length,
    );
    if (overlaps)
      throw operationError(`A range of ${length} bytes at ${from} overlaps one that was given out`);
    const bytes = contentOf(mapping, from, length);
    mapping.ranges.push({ offset: from, bytes });
    return bytes;
  }

  unmap(): undefined {
    this.#abort("The buffer was unmapped before it was mapped");
    const mapping = this.#mapping;
    this.#mapped.delete(this);
    if (mapping === undefined) return;
    this.#mapping = undefined;
    // What was given out is of no use from now on, as WebGPU wants it.
    const ranges = mapping.ranges.map(({ offset, bytes }) => ({
      offset,
      bytes: new Uint8Array(bytes.transfer()),
    }));
    this.#sendUnmap((mapping.mode & mapRead) === 0 ? ranges : []);
  }

  destroy(): undefined {
    this.#abort("The buffer was destroyed before it was mapped");
    this.#mapped.delete(this);
    for (const { bytes } of this.#mapping?.ranges ?? []) bytes.transfer();
    this.#mapping = undefined;
    this.connection.begin(command.destroy).word(this.id);
    this.connection.end();
  }

  #sendUnmap(ranges: readonly { readonly offset: number; readonly bytes: Uint8Array }[]): void {
    const { connection } = this;
    const attached = ranges.map(({ bytes }) => connection.attach(bytes));
    const words = connection.begin(command.unmap);
    words.words2(this.id, ranges.length);
    for (const [i, { offset }] of ranges.entries()) {
      words.long(offset);
      words.word(attached[i]!);
    }
    connection.end();
  }

  #abort(message: string): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    pending.abort(abortError(message));
    // The owner may have mapped it by then.
    this.#sendUnmap([]);
  }
}

function contentOf({ content, offset }: Mapping, from: number, length: number): ArrayBuffer {
  const bytes = new Uint8Array(length);
  if (content !== undefined) bytes.set(content.subarray(from - offset, from - offset + length));
  return bytes.buffer;
}

function abortError(message: string): DOMException {
  return new DOMException(message, "AbortError");
}

function operationError(message: string): DOMException {
  return new DOMException(message, "OperationError");
}
