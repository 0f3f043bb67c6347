/**
 * ONNX's codes of element types and their names here.
 * Types that Dawnlet's tensors do not have (bfloat16, 8-bit and 4-bit floats, 4-bit integers, complex) have a
 * name but no DataType.
 */
import type { DataType } from "../../kernels/tensor.ts";

const codes: Readonly<Record<DataType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

/** ONNX's code of a data type. */
export function onnxTypeCode(dataType: DataType): number {
  return codes[dataType];
}

/** Undefined for element types that Dawnlet's tensors do not have. */
export function dataTypeOf(code: number | undefined): DataType | undefined {
  return code === undefined ? undefined : dataTypes.get(code);
}

/** For messages: ONNX's name of a code, in lower case. */
export function onnxTypeName(code: number | undefined): string {
  return dataTypeOf(code) ?? foreignTypes.get(code ?? 0)?.name ?? `type ${code}`;
}

/** Bits of an element of a type that has no DataType, to count a model's bytes. */
export function foreignElementBits(code: number | undefined): number {
  return foreignTypes.get(code ?? 0)?.bits ?? 0;
}

const dataTypes = new Map(Object.entries(codes).map(([name, code]) => [code, name as DataType]));

const foreignTypes = new Map([
  [14, { name: "complex64", bits: 64 }],
  [15, { name: "complex128", bits: 128 }],
  [16, { name: "bfloat16", bits: 16 }],
  [17, { name: "float8e4m3fn", bits: 8 }],
  [18, { name: "float8e4m3fnuz", bits: 8 }],
  [19, { name: "float8e5m2", bits: 8 }],
  [20, { name: "float8e5m2fnuz", bits: 8 }],
  [21, { name: "uint4", bits: 4 }],
  [22, { name: "int4", bits: 4 }],
  [23, { name: "float4e2m1", bits: 4 }],
  [24, { name: "float8e8m0", bits: 8 }],
  [25, { name: "uint2", bits: 2 }],
  [26, { name: "int2", bits: 2 }],
]);
