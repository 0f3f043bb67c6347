/**
 * Lists of numbers as protobuf packs them, in typed arrays: what TensorProto's `float_data` and the like hold.
 * Fixed-width runs are copied at once; runs of varints are counted first, so memory is at most eight times
 * the file's bytes.
 */
import { type BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { PackedKind } from "./fields.ts";

export type NumberArray = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

/** How one value stands on the wire outside a packed run. */
export const packedWire: Readonly<Record<PackedKind, WireType>> = {
  float32s: WireType.Bit32,
  float64s: WireType.Bit64,
  int32s: WireType.Varint,
  int64s: WireType.Varint,
  uint64s: WireType.Varint,
};

/** The value of an absent field, shared by all messages. */
export const noNumbers: Readonly<Record<PackedKind, NumberArray>> = {
  float32s: new Float32Array(0),
  float64s: new Float64Array(0),
  int32s: new Int32Array(0),
  int64s: new BigInt64Array(0),
  uint64s: new BigUint64Array(0),
};

/** Collects one field, which may come in any number of runs and single values. */
export class PackedNumbers {
  readonly #kind: PackedKind;
  #values: NumberArray;
  #length: number;

  constructor(kind: PackedKind, existing: NumberArray) {
    this.#kind = kind;
    this.#values = existing;
    this.#length = existing.length;
  }

  readOne(reader: BinaryReader): void {
    this.#reserve(1);
    this.#put(reader);
  }

  /**
   * Reads a run that ends at byte `end` of `bytes`, which are what `reader` reads.
   * @throws Error where the last number does not end there.
   */
  readRun(reader: BinaryReader, bytes: Uint8Array, end: number): void {
    const size = end - reader.pos;
    const width = fixedWidth[this.#kind];
    if (width === undefined) {
      this.#reserve(countVarints(bytes, reader.pos, end));
      while (reader.pos < end) this.#put(reader);
      if (reader.pos !== end) throw new Error(`a list of numbers does not end at byte ${end}`);
      return;
    }
    if (size % width !== 0) throw new Error(`a list of ${width}-byte numbers has ${size} bytes`);
    this.#reserve(size / width);
    const { buffer, byteOffset } = this.#values;
    const run = bytes.subarray(reader.pos, end);
    new Uint8Array(buffer, byteOffset + this.#length * width, size).set(run);
    this.#length += size / width;
    reader.pos = end;
  }

  finish(): NumberArray {
    return this.#values.length === this.#length ? this.#values : this.#values.slice(0, this.#length);
  }

  #put(reader: BinaryReader): void {
    const values: { [index: number]: number | bigint } = this.#values;
    values[this.#length] = readNumber(this.#kind, reader);
    this.#length += 1;
  }

  /** Grows to the exact size the first time, by doubling afterwards, so that single values cost linear time. */
  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#values.length) return;
    const grown = allocate(this.#kind, Math.max(needed, this.#length * 2));
    copyInto(grown, this.#values);
    this.#values = grown;
  }
}

/** Writes the values of a packed field, without tag and length. */
export function writeNumbers(kind: PackedKind, values: NumberArray, writer: BinaryWriter): void {
  if (fixedWidth[kind] !== undefined) {
    writer.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return;
  }
  for (const value of values) {
    if (kind === "int32s") writer.int32(Number(value));
    else if (kind === "int64s") writer.int64(BigInt(value));
    else writer.uint64(BigInt(value));
  }
}

const fixedWidth: Readonly<Partial<Record<PackedKind, number>>> = { float32s: 4, float64s: 8 };

function readNumber(kind: PackedKind, reader: BinaryReader): number | bigint {
  switch (kind) {
    case "float32s":
      return reader.float();
    case "float64s":
      return reader.double();
    case "int32s":
      return reader.int32();
    case "int64s":
      return BigInt(reader.int64());
    case "uint64s":
      return BigInt(reader.uint64());
    default:
      return kind satisfies never;
  }
}

function allocate(kind: PackedKind, length: number): NumberArray {
  switch (kind) {
    case "float32s":
      return new Float32Array(length);
    case "float64s":
      return new Float64Array(length);
    case "int32s":
      return new Int32Array(length);
    case "int64s":
      return new BigInt64Array(length);
    case "uint64s":
      return new BigUint64Array(length);
    default:
      return kind satisfies never;
  }
}

/** Both are of one kind; bytes spare a case for each. */
function copyInto(target: NumberArray, source: NumberArray): void {
  new Uint8Array(target.buffer).set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
}

/** A varint ends with the first byte whose high bit is 0. */
function countVarints(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let index = start; index < end; index += 1) if (bytes[index]! < 0x80) count += 1;
  return count;
}
