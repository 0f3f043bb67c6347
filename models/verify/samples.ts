/**
 * Input values for recording and verification: pseudo-random, the same for the same seed. Which values a model
 * accepts is not known (an integer may be an index), so there are several domains to try, the widest first.
 */
import { type DataType, elementCount, type Tensor, type TensorSpec } from "../../kernels/tensor.ts";

export interface SampleDomain {
  readonly name: string;
  readonly real: readonly [minimum: number, maximum: number];
  /** Both included. */
  readonly integer: readonly [minimum: number, maximum: number];
}

export const sampleDomains: readonly SampleDomain[] = [
  { name: "small values", real: [-1, 1], integer: [0, 9] },
  { name: "zero and one", real: [0, 1], integer: [0, 1] },
  { name: "ones", real: [1, 1], integer: [1, 1] },
  { name: "zeros", real: [0, 0], integer: [0, 0] },
];

/** Values that a model may refuse, but if it takes them the Program must agree on them too. */
export const stressDomain: SampleDomain = { name: "large values", real: [-100, 100], integer: [-1000, 1000] };

export function sampleTensor(spec: TensorSpec, domain: SampleDomain, seed: number): Tensor {
  const { dataType, shape } = spec;
  const count = elementCount(shape);
  const random = mulberry32(seed);
  const [realLow, realHigh] = domain.real;
  const [low, high] = domain.integer;
  const unsignedLow = dataType.startsWith("uint") ? Math.max(0, low) : low;
  const real = () => realLow + random() * (realHigh - realLow);
  const integer = () => unsignedLow + Math.floor(random() * (high - unsignedLow + 1));
  return { dataType, shape, data: fill(dataType, count, real, integer) };
}

function fill(dataType: DataType, count: number, real: () => number, integer: () => number): Uint8Array {
  const from = { length: count };
  switch (dataType) {
    case "float32":
      return bytesOf(Float32Array.from(from, real));
    case "float64":
      return bytesOf(Float64Array.from(from, real));
    case "float16":
      return bytesOf(Float16Array.from(from, real));
    case "int64":
      return bytesOf(BigInt64Array.from(from, () => BigInt(integer())));
    case "uint64":
      return bytesOf(BigUint64Array.from(from, () => BigInt(integer())));
    case "int32":
      return bytesOf(Int32Array.from(from, integer));
    case "uint32":
      return bytesOf(Uint32Array.from(from, integer));
    case "int16":
      return bytesOf(Int16Array.from(from, integer));
    case "uint16":
      return bytesOf(Uint16Array.from(from, integer));
    case "int8":
      return bytesOf(Int8Array.from(from, integer));
    case "uint8":
      return bytesOf(Uint8Array.from(from, integer));
    case "bool":
      return Uint8Array.from(from, () => Math.abs(integer()) % 2);
    case "string":
      // Empty strings: a length of zero each.
      return new Uint8Array(count * 4);
  }
}

function bytesOf(view: ArrayBufferView<ArrayBuffer>): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A small generator with good statistics; seeds need not be far apart. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
