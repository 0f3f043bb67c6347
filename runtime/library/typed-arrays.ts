/**
 * Which typed array holds which data type, and bytes as such arrays. Tensors of strings have none; a byte
 * order other than little-endian is no concern: WebGPU runs nowhere else.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { type DataType, elementBytes } from "../../kernels/tensor.ts";

/** The array of each data type. A bool is a byte, 0 or 1. */
export const arrayTypes = {
  float32: Float32Array,
  float16: Float16Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Record<NumericType, unknown>;

/** Data types whose elements have a fixed size. */
export type NumericType = Exclude<DataType, "string">;

/** The array of each data type, on memory of its own. */
export interface ArrayTypes {
  float32: Float32Array<ArrayBuffer>;
  float16: Float16Array<ArrayBuffer>;
  float64: Float64Array<ArrayBuffer>;
  int8: Int8Array<ArrayBuffer>;
  int16: Int16Array<ArrayBuffer>;
  int32: Int32Array<ArrayBuffer>;
  int64: BigInt64Array<ArrayBuffer>;
  uint8: Uint8Array<ArrayBuffer>;
  uint16: Uint16Array<ArrayBuffer>;
  uint32: Uint32Array<ArrayBuffer>;
  uint64: BigUint64Array<ArrayBuffer>;
  bool: Uint8Array<ArrayBuffer>;
}

/** An array of elements of one type. */
export type TypedArray = ArrayTypes[NumericType] | Uint8ClampedArray<ArrayBuffer>;

const dataTypes: ReadonlyMap<string, NumericType> = new Map([
  ...Object.entries(arrayTypes).map(([dataType, type]) => [type.name, dataType as NumericType] as const),
  // Named twice in the table: bytes are numbers unless somebody says bool.
  ["Uint8Array", "uint8"],
  ["Uint8ClampedArray", "uint8"],
]);

/** By the array's own name: those of another realm count. */
const arrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

/** What the array holds where nobody says otherwise; undefined for what is no typed array. */
export function dataTypeOf(data: unknown): NumericType | undefined {
  return dataTypes.get(arrayName.call(data));
}

/** Whether an array of type `natural` may hold elements of `dataType`: bool in bytes, float16 as raw bits. */
export function canHold(natural: NumericType, dataType: DataType): dataType is NumericType {
  if (natural === dataType) return true;
  return (natural === "uint8" && dataType === "bool") || (natural === "uint16" && dataType === "float16");
}

/**
 * Little-endian bytes as an array of their type, on memory of its own.
 * @throws DawnletError UNSUPPORTED for strings; INVALID_ARGUMENT for bytes that are no whole number of elements.
 */
export function toTypedArray(dataType: DataType, bytes: Uint8Array): ArrayTypes[NumericType] {
  if (dataType === "string") {
    throw new DawnletError("UNSUPPORTED", "Cannot read the tensor as numbers as its elements are strings");
  }
  if (bytes.byteLength % elementBytes[dataType] !== 0) {
    const what = `it has ${bytes.byteLength} bytes: elements of ${dataType} have ${elementBytes[dataType]} each`;
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the tensor as ${what}`);
  }
  return new arrayTypes[dataType](new Uint8Array(bytes).buffer);
}

/** The array's own memory as bytes, no copy. */
export function toBytes(data: TypedArray): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
