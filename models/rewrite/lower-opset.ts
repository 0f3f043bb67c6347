/**
 * Imports an older operator set where nothing in the model needs the newer one. Opsets 22 to 25 gave most
 * operators more element types and no new meaning, but ONNX Runtime's WebGPU provider has no kernels under
 * many of the new versions (seen with 1.30: Sin, Elu, MaxPool, LSTM and two dozen more run on the CPU).
 */
import { findAttribute, subgraphs } from "../onnx/attributes.ts";
import { isDefaultDomain, type Model, opsetOf } from "../onnx/model.ts";
import type { GraphProto, NodeProto } from "../onnx/proto.ts";
import { elementTypes } from "./element-types.ts";
import { withOpset } from "./upgrade.ts";

/** The newest opset whose versions have kernels. */
const lowered = 21;

/** The newest opset whose changes are known here; later models are left alone. */
const newestKnown = 25;

/** Operators that came after opset 21. */
const newOperators: ReadonlySet<string> = new Set([
  "Attention",
  "BitCast",
  "CumProd",
  "RMSNormalization",
  "RotaryEmbedding",
  "Swish",
  "TensorScatter",
]);

/** Attributes that came after opset 21. */
const newAttributes: Readonly<Record<string, readonly string[]>> = {
  Cast: ["round_mode"],
  CastLike: ["round_mode"],
  DequantizeLinear: ["output_dtype"],
  QuantizeLinear: ["precision"],
};

/** bfloat16, and the types after float8 and 4-bit integers: operators take them only since opset 22 or later. */
const isNewType = (code: number): boolean => code === 16 || code > 22;

export function lowerOpset(model: Model): Model {
  const opset = opsetOf(model.opsetImport);
  const isCandidate = opset > lowered && opset <= newestKnown && model.functions.length === 0;
  if (!isCandidate || needsNewer(model.graph) || [...elementTypes(model)].some(isNewType)) return model;
  return { ...model, opsetImport: withOpset(model.opsetImport, lowered) };
}

function needsNewer(graph: GraphProto): boolean {
  return graph.node.some((node) => isNew(node) || subgraphs(node).some(needsNewer));
}

function isNew(node: NodeProto): boolean {
  if (!isDefaultDomain(node.domain)) return false;
  const opType = node.opType ?? "";
  const names = newAttributes[opType] ?? [];
  return newOperators.has(opType) || names.some((name) => findAttribute(node, name) !== undefined);
}
