/** Which element types a model states anywhere: rewrites that add constants need to know theirs. */
import { findAttribute, intAttribute, subgraphs } from "../onnx/attributes.ts";
import { dataTypeOf } from "../onnx/data-types.ts";
import type { Model } from "../onnx/model.ts";
import type { GraphProto, TypeProto } from "../onnx/proto.ts";

/** True where every floating-point value is float32. */
export function usesOnlyFloat32(model: Model): boolean {
  return [...elementTypes(model)].every((code) => !otherFloats.has(dataTypeOf(code) ?? "foreign"));
}

/** ONNX's codes of all element types that a model states: of weights, constants, values and casts. */
export function elementTypes(model: Model): ReadonlySet<number> {
  const codes = new Set<number>();
  collect(model.graph, codes);
  return codes;
}

/** `foreign`: bfloat16 and the smaller floats. */
const otherFloats: ReadonlySet<string> = new Set(["float16", "float64", "foreign"]);

function collect(graph: GraphProto, codes: Set<number>): void {
  const add = (code: number | undefined) => {
    if (code !== undefined) codes.add(code);
  };
  for (const { type } of [...graph.input, ...graph.output, ...graph.valueInfo]) addType(type, add);
  for (const { dataType } of graph.initializer) add(dataType);
  for (const { values } of graph.sparseInitializer) add(values?.dataType);
  for (const node of graph.node) {
    for (const { t, tensors, tp } of node.attribute) {
      for (const tensor of t === undefined ? tensors : [t]) add(tensor.dataType);
      addType(tp, add);
    }
    const target = node.opType === "Cast" ? "to" : "dtype";
    if (findAttribute(node, target)?.i !== undefined) add(intAttribute(node, target));
    for (const inner of subgraphs(node)) collect(inner, codes);
  }
}

function addType(type: TypeProto | undefined, add: (code: number | undefined) => void): void {
  if (type === undefined) return;
  add(type.tensorType?.elemType);
  add(type.sparseTensorType?.elemType);
  addType(type.sequenceType?.elemType, add);
  addType(type.optionalType?.elemType, add);
  addType(type.mapType?.valueType, add);
}
