/**
 * Tensors as they travel: a data type, a shape, and little-endian row-major bytes.
 * No arithmetic here, only sizes and the conversion to and from plain numbers.
 */
import { DawnletError } from "./errors.ts";

/** Bytes an element of each data type; 0 where elements vary in size (`string`: u32 length + UTF-8 bytes each). */
export const elementBytes = {
  float32: 4,
  float16: 2,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
  string: 0,
} as const;

export type DataType = keyof typeof elementBytes;

/** A dimension in a signature: a number, or the name of one that is known only at the call. */
export type Dimension = number | string;

/** A tensor in a function's signature. */
export interface TensorSignature {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly Dimension[];
}

/** A tensor whose shape is known. */
export interface TensorSpec extends TensorSignature {
  readonly shape: readonly number[];
}

/** A tensor's value. `data` holds exactly `tensorBytes(dataType, shape)` bytes (any number for `string`). */
export interface Tensor {
  readonly dataType: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Values by tensor name. */
export type Tensors = Readonly<Record<string, Tensor>>;

export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

/** Bytes of a tensor, without the padding that GPU buffers need. */
export function tensorBytes(dataType: DataType, shape: readonly number[]): number {
  return elementCount(shape) * elementBytes[dataType];
}

/** WebGPU copies whole words: sizes of buffers and copies are multiples of 4. */
export function alignTo4(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4) * 4;
}

export function isDataType(value: unknown): value is DataType {
  return typeof value === "string" && Object.hasOwn(elementBytes, value);
}

/**
 * Checks a value against what a Program or a session takes.
 * @throws DawnletError INVALID_ARGUMENT naming the tensor and both sides of the disagreement.
 */
export function checkTensor(spec: TensorSpec, tensor: Tensor): void {
  const fail = (what: string): never => {
    throw new DawnletError("INVALID_ARGUMENT", `Cannot use input '${spec.name}' as ${what}`);
  };
  if (tensor.dataType !== spec.dataType) fail(`it is ${tensor.dataType}: expected ${spec.dataType}`);
  const same = tensor.shape.length === spec.shape.length && spec.shape.every((d, i) => d === tensor.shape[i]);
  if (!same) fail(`its shape is [${tensor.shape}]: expected [${spec.shape}]`);
  if (spec.dataType === "string") return;
  const expected = tensorBytes(spec.dataType, spec.shape);
  if (tensor.data.byteLength !== expected)
    fail(`it has ${tensor.data.byteLength} bytes: expected ${expected}`);
}

/**
 * An int64 tensor as int32, which is what GPUs compute with.
 * @returns undefined where a value does not fit.
 */
export function narrowTensor({ dataType, shape, data }: Tensor): Tensor | undefined {
  if (dataType !== "int64") throw new TypeError(`A tensor of ${dataType} cannot be narrowed`);
  // Low and high words: a value fits where the high word is only the sign of the low one.
  const words = new Int32Array(new Uint8Array(data).buffer);
  const result = new Int32Array(words.length / 2);
  for (let i = 0; i < result.length; i++) {
    const low = words[2 * i]!;
    if (words[2 * i + 1] !== low >> 31) return undefined;
    result[i] = low;
  }
  return { dataType: "int32", shape, data: new Uint8Array(result.buffer) };
}
