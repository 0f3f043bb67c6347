/** Tensors from plain numbers, and back, for expectations that a reader can check. */
import { type DataType, elementCount, type Tensor } from "../../kernels/tensor.ts";

const viewOf = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Float16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const;

/** @param values 64-bit integers as bigint or number, booleans as 0 and 1. */
export function tensorOf(
  dataType: Exclude<DataType, "string">,
  shape: readonly number[],
  values: readonly (number | bigint)[],
): Tensor {
  if (values.length !== elementCount(shape))
    throw new RangeError(`${values.length} values for the shape [${shape}]`);
  if (dataType === "int64" || dataType === "uint64") {
    const view = (dataType === "int64" ? BigInt64Array : BigUint64Array).from(values.map(BigInt));
    return { dataType, shape, data: new Uint8Array(view.buffer) };
  }
  const view = viewOf[dataType].from(values.map(Number));
  return { dataType, shape, data: new Uint8Array(view.buffer) };
}

export function floats(shape: readonly number[], values: readonly number[]): Tensor {
  return tensorOf("float32", shape, values);
}

export function stringsOf(shape: readonly number[], values: readonly string[]): Tensor {
  const parts = values.flatMap((text) => {
    const bytes = new TextEncoder().encode(text);
    return [...new Uint8Array(Uint32Array.of(bytes.byteLength).buffer), ...bytes];
  });
  return { dataType: "string", shape, data: Uint8Array.from(parts) };
}

/** What a tensor of floats holds. */
export function floatsIn({ dataType, data }: Tensor): Float32Array {
  if (dataType !== "float32") throw new TypeError(`The tensor is of ${dataType}`);
  return new Float32Array(data.slice().buffer);
}

/** `arange(n) / n`, the input that ONNX's `light` models want. */
export function ramp(shape: readonly number[]): Tensor {
  const count = elementCount(shape);
  return floats(
    shape,
    Array.from({ length: count }, (_, i) => i / count),
  );
}
