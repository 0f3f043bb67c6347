/**
 * Makes ONNX messages: nodes, attributes, values and tensors, for rewrites and for the zoo.
 * Names are the caller's matter: nothing here checks that they are unique.
 */
import type { DataType, Dimension } from "../../kernels/tensor.ts";
import { onnxTypeCode } from "./data-types.ts";
import {
  type AttributeProto,
  attributeType,
  type DimensionProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type TypeProto,
  type ValueInfoProto,
} from "./proto.ts";

/** What an attribute can be made from. Integers are bigint, since 1 and 1.0 are different attributes. */
export type AttributeValue =
  | bigint
  | number
  | string
  | TensorProto
  | GraphProto
  | readonly bigint[]
  | readonly number[];

export interface NodeOptions {
  readonly name?: string;
  readonly domain?: string;
}

export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  options: NodeOptions = {},
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => makeAttribute(name, value));
  return { input, output, opType, attribute, metadataProps: [], ...options };
}

/** An empty list becomes a list of integers. */
export function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "bigint") return { ...noAttribute, name, type: attributeType.int, i: value };
  if (typeof value === "number") return { ...noAttribute, name, type: attributeType.float, f: value };
  if (typeof value === "string") {
    return { ...noAttribute, name, type: attributeType.string, s: new TextEncoder().encode(value) };
  }
  if (isList(value)) {
    const isFloats = typeof value[0] === "number";
    return isFloats
      ? { ...noAttribute, name, type: attributeType.floats, floats: value.map(Number) }
      : { ...noAttribute, name, type: attributeType.ints, ints: value.map(BigInt) };
  }
  return "node" in value
    ? { ...noAttribute, name, type: attributeType.graph, g: value }
    : { ...noAttribute, name, type: attributeType.tensor, t: value };
}

/** A named tensor of these bytes, little-endian and row-major. The bytes are not copied. */
export function makeTensor(
  name: string,
  dataType: Exclude<DataType, "string">,
  shape: readonly number[],
  rawData: Uint8Array,
): TensorProto {
  return { ...noTensor, name, dims: shape.map(BigInt), dataType: onnxTypeCode(dataType), rawData };
}

/** A list of integers as a one-dimensional int64 tensor: shapes, axes, pads. */
export function makeInt64s(name: string, values: readonly bigint[]): TensorProto {
  return makeTensor(name, "int64", [values.length], new Uint8Array(new BigInt64Array(values).buffer));
}

export function makeFloats(name: string, values: Float32Array, shape: readonly number[]): TensorProto {
  return makeTensor(
    name,
    "float32",
    shape,
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
}

/** A typed value: an input or output of a graph. A string is a dimension that is known only at the call. */
export function makeValue(name: string, dataType: DataType, shape: readonly Dimension[]): ValueInfoProto {
  const dim = shape.map(
    (size): DimensionProto => (typeof size === "number" ? { dimValue: BigInt(size) } : { dimParam: size }),
  );
  const type: TypeProto = { tensorType: { elemType: onnxTypeCode(dataType), shape: { dim } } };
  return { name, type, metadataProps: [] };
}

const noAttribute = {
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
  typeProtos: [],
  sparseTensors: [],
} as const satisfies AttributeProto;

/** All of TensorProto but its name, type, shape and bytes. */
export const noTensor = {
  dims: [],
  floatData: new Float32Array(0),
  int32Data: new Int32Array(0),
  stringData: [],
  int64Data: new BigInt64Array(0),
  doubleData: new Float64Array(0),
  uint64Data: new BigUint64Array(0),
  externalData: [],
  metadataProps: [],
} as const satisfies TensorProto;

function isList(value: AttributeValue): value is readonly bigint[] | readonly number[] {
  return Array.isArray(value);
}
