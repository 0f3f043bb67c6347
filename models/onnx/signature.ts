/**
 * What a model takes and gives, as the caller sees it: inputs without initializers, outputs, free dimensions.
 * Values that no Tensor can carry are listed with the reason instead of being refused here: the caller decides.
 */
import type { Dimension, TensorSignature } from "../../kernels/tensor.ts";
import { elementBytes } from "../../kernels/tensor.ts";
import { subgraphs } from "./attributes.ts";
import { dataTypeOf, foreignElementBits, onnxTypeName } from "./data-types.ts";
import { type Model, opsetOf } from "./model.ts";
import type { DimensionProto, GraphProto, TensorProto, ValueInfoProto } from "./proto.ts";
import { elementsOf, shapeOf } from "./tensor.ts";

/** Why a value has no TensorSignature. */
export type UnsupportedReason =
  /** A tensor whose number of dimensions is not stated. */
  | "unknown-rank"
  /** A tensor of an element type that Dawnlet does not have, such as bfloat16. */
  | "element-type"
  | "sequence"
  | "map"
  | "optional"
  | "sparse-tensor"
  /** The model states no type. */
  | "untyped";

export interface UnsupportedValue {
  readonly name: string;
  readonly role: "input" | "output";
  readonly reason: UnsupportedReason;
  /** For messages: what the value is, such as `a tensor of bfloat16`. */
  readonly description: string;
}

export interface ModelSignature {
  /** Without initializers. */
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /** Inputs and outputs that are in neither list above. */
  readonly unsupported: readonly UnsupportedValue[];
  /** Names of the dimensions of inputs that are known only at the call, in the order of first use. */
  readonly dimensions: readonly string[];
  /** Version of ONNX's own operator set; 0 where the model imports only others. */
  readonly opset: number;
  /** Bytes of all weights and constants, external ones included. */
  readonly weightBytes: number;
}

/**
 * A dimension without a name gets one: `x[0]` for axis 0 of the value `x`.
 * @throws DawnletError INVALID_MODEL where a weight has no valid shape.
 */
export function readSignature(model: Model): ModelSignature {
  const { graph } = model;
  const initialized = new Set(graph.initializer.map((tensor) => tensor.name));
  for (const sparse of graph.sparseInitializer) initialized.add(sparse.values?.name);
  const inputs = graph.input
    .filter((value) => !initialized.has(value.name))
    .map((value) => readValue(value, "input"));
  const outputs = graph.output.map((value) => readValue(value, "output"));
  const tensors = inputs.filter(isTensor);
  return {
    inputs: tensors,
    outputs: outputs.filter(isTensor),
    unsupported: [...inputs, ...outputs].filter((value): value is UnsupportedValue => !isTensor(value)),
    dimensions: [
      ...new Set(tensors.flatMap((tensor) => tensor.shape.filter((size) => typeof size === "string"))),
    ],
    opset: opsetOf(model.opsetImport),
    weightBytes: weightBytesOf(graph),
  };
}

function isTensor(value: TensorSignature | UnsupportedValue): value is TensorSignature {
  return "dataType" in value;
}

function readValue(value: ValueInfoProto, role: "input" | "output"): TensorSignature | UnsupportedValue {
  const name = value.name ?? "";
  const unsupported = (reason: UnsupportedReason, description: string) => ({
    name,
    role,
    reason,
    description,
  });
  const type = value.type;
  if (type?.sequenceType !== undefined) return unsupported("sequence", "a sequence");
  if (type?.mapType !== undefined) return unsupported("map", "a map");
  if (type?.optionalType !== undefined) return unsupported("optional", "an optional");
  if (type?.sparseTensorType !== undefined) return unsupported("sparse-tensor", "a sparse tensor");
  if (type?.tensorType === undefined) return unsupported("untyped", "a value without a type");
  const { elemType, shape } = type.tensorType;
  const dataType = dataTypeOf(elemType);
  if (dataType === undefined) return unsupported("element-type", `a tensor of ${onnxTypeName(elemType)}`);
  if (shape === undefined) return unsupported("unknown-rank", "a tensor of unknown rank");
  return { name, dataType, shape: shape.dim.map((dimension, axis) => readDimension(dimension, name, axis)) };
}

function readDimension({ dimValue, dimParam }: DimensionProto, name: string, axis: number): Dimension {
  // Some exporters write -1 for a dimension that they do not know.
  if (dimValue !== undefined && dimValue >= 0n) return Number(dimValue);
  return dimParam === undefined || dimParam === "" ? `${name}[${axis}]` : dimParam;
}

function weightBytesOf(graph: GraphProto): number {
  const inNodes = graph.node.flatMap((node) => node.attribute.flatMap(({ t, tensors }) => [t, ...tensors]));
  const sparse = graph.sparseInitializer.flatMap(({ values, indices }) => [values, indices]);
  let bytes = 0;
  for (const tensor of [...graph.initializer, ...sparse, ...inNodes]) {
    if (tensor !== undefined) bytes += tensorProtoBytes(tensor);
  }
  for (const node of graph.node) for (const inner of subgraphs(node)) bytes += weightBytesOf(inner);
  return bytes;
}

function tensorProtoBytes(tensor: TensorProto): number {
  const count = elementsOf(tensor, shapeOf(tensor));
  const dataType = dataTypeOf(tensor.dataType);
  if (dataType === "string") return tensor.stringData.reduce((sum, text) => sum + text.length, 0);
  if (dataType !== undefined) return count * elementBytes[dataType];
  return Math.ceil((count * foreignElementBits(tensor.dataType)) / 8);
}
