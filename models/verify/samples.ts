/**
 * Input values for recording and verification: pseudo-random, the same for the same seed. Which values a model
 * accepts is not known (an integer may be an index), so there are several domains to try, the widest first.
 */
import { type DataType, elementCount, type Tensor, type TensorSpec } from "../../kernels/tensor.ts";
import { seededRandom } from "../seeded.ts";

/** Numbers between two, both included, or out of a few. */
export type Draw = readonly [minimum: number, maximum: number] | { readonly oneOf: readonly number[] };

export interface SampleDomain {
  readonly name: string;
  readonly real: Draw;
  /** What an integer type cannot hold is left out of a choice and wraps in a range. */
  readonly integer: Draw;
}

/** Ordinary values: a Program is recorded on the first of these that the model takes. */
export const sampleDomains: readonly SampleDomain[] = [
  { name: "small values", real: [-1, 1], integer: [0, 9] },
  { name: "small values without zero", real: [-1, 1], integer: [1, 9] },
  { name: "zero and one", real: [0, 1], integer: [0, 1] },
];

/** Values that a model may refuse, but if it takes them the Program must agree on them too. */
export const stressDomain: SampleDomain = {
  name: "large values",
  real: [-100, 100],
  integer: [-1000, 1000],
};

/** Where kernels differ though they agree on ordinary values: rounding of halves, the ends of integer types. */
export const edgeDomains: readonly SampleDomain[] = [
  {
    name: "whole and half numbers",
    real: { oneOf: [0, -0, 0.5, -0.5, 1, -1, 1.5, -1.5, 2, -2, 2.5, -2.5, 3, -3] },
    integer: [0, 9],
  },
  {
    name: "the ends of 32 bits",
    real: [-1, 1],
    integer: { oneOf: [0, 1, -3, 127, -128, 255, 65535, 2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31)] },
  },
  {
    name: "more than 31 bits",
    real: [-1, 1],
    integer: { oneOf: [7, -7, 2 ** 32 - 1, 2 ** 32 + 5, -(2 ** 40), 2 ** 53 - 1, -(2 ** 53 - 1)] },
  },
];

/**
 * WGSL promises little for these. A model that makes ordinary values of them (IsNaN, a comparison, a bounded
 * activation) must do so as a Program too.
 */
export const specialDomains: readonly SampleDomain[] = [
  { name: "infinities", real: { oneOf: [Infinity, -Infinity, 3e38, -3e38, 1, -1, 0] }, integer: [0, 9] },
  { name: "NaN", real: { oneOf: [NaN, NaN, Infinity, -Infinity, 1, -1, 0] }, integer: [0, 9] },
];

export function sampleTensor(spec: TensorSpec, domain: SampleDomain, seed: number): Tensor {
  const { dataType, shape } = spec;
  const random = seededRandom(seed);
  const integer = fitting(domain.integer, dataType);
  const data = fill(
    dataType,
    elementCount(shape),
    () => draw(domain.real, random, 0),
    () => Math.floor(draw(integer, random, 1)),
  );
  return { dataType, shape, data };
}

/** @param step between the numbers of a range: 1 where its upper end must come out of rounding down. */
function draw(from: Draw, random: () => number, step: 0 | 1): number {
  if ("oneOf" in from) return from.oneOf[Math.floor(random() * from.oneOf.length)]!;
  const [minimum, maximum] = from;
  return minimum + random() * (maximum - minimum + step);
}

/** Both included; what a Number holds exactly of 64 bits. */
const rangeOf: Partial<Record<DataType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

function fitting(from: Draw, dataType: DataType): Draw {
  const [low, high] = rangeOf[dataType] ?? [-Infinity, Infinity];
  if ("oneOf" in from) return { oneOf: from.oneOf.filter((value) => value >= low && value <= high) };
  const [minimum, maximum] = from;
  return dataType.startsWith("uint") ? [Math.max(0, minimum), maximum] : [minimum, maximum];
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
