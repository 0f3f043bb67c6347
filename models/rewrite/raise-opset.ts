/**
 * Brings models of opsets 7 to 10 to opset 11 where that puts a node on the GPU: the WebGPU provider has
 * kernels of Clip, DepthToSpace, Max, Min and Resize only under newer versions.
 * Whole or not at all: a model with one node that cannot be raised stays as it is.
 */
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  subgraphs,
  withAttribute,
  withoutAttributes,
} from "../onnx/attributes.ts";
import { makeFloats, makeInt64s } from "../onnx/build.ts";
import { isDefaultDomain, type Model, opsetOf } from "../onnx/model.ts";
import type { GraphProto, NodeProto } from "../onnx/proto.ts";
import { usesOnlyFloat32 } from "./element-types.ts";
import { mapNodes, type NodeRule, type RuleContext } from "./node-rules.ts";
import { withOpset } from "./upgrade.ts";

const raised = 11;

/** The opset from which on the WebGPU provider has a kernel. */
const kernelSince: Readonly<Record<string, number>> = {
  Clip: 11,
  DepthToSpace: 11,
  Max: 8,
  Min: 8,
  Upsample: 11,
};

export function raiseOpset(model: Model): Model {
  const opset = opsetOf(model.opsetImport);
  if (opset < 7 || opset >= raised || model.functions.length > 0) return model;
  if (!gains(model.graph, opset) || !usesOnlyFloat32(model)) return model;
  try {
    const result = mapNodes(model, (node, context) => {
      if (cannotRaise(node, opset, context)) throw new CannotRaise();
      return rules.get(node.opType ?? "")?.(node, context) ?? [node];
    });
    return { ...result, opsetImport: withOpset(model.opsetImport, raised) };
  } catch (error) {
    if (error instanceof CannotRaise) return model;
    throw error;
  }
}

/** Ends the attempt; never leaves this file. */
class CannotRaise extends Error {}

function gains(graph: GraphProto, opset: number): boolean {
  return graph.node.some((node) => {
    const since = isDefaultDomain(node.domain) ? kernelSince[node.opType ?? ""] : undefined;
    return (since !== undefined && opset < since) || subgraphs(node).some((inner) => gains(inner, opset));
  });
}

/** What changed its meaning, not only its form, between the two. */
function cannotRaise(node: NodeProto, opset: number, context: RuleContext): boolean {
  switch (node.opType) {
    // Statistics of each element instead of each channel ended with opset 9.
    case "BatchNormalization":
      return intAttribute(node, "spatial") === 0;
    // The mask's type became bool with opset 10.
    case "Dropout":
      return context.isUsed(node.output[1]);
    // Scan had a batch axis before opset 9.
    case "Scan":
      return opset < 9;
    default:
      return false;
  }
}

const clip: NodeRule = (node, context) => {
  const bounds = ["min", "max"].map((name) => {
    const value = floatAttribute(node, name);
    return value === undefined ? "" : addFloat(node, context, name, value);
  });
  while (bounds.at(-1) === "") bounds.pop();
  return [{ ...withoutAttributes(node, "min", "max"), input: [node.input[0]!, ...bounds] }];
};

const pad: NodeRule = (node, context) => {
  const pads = intsAttribute(node, "pads");
  if (pads === undefined) return [node];
  const value = addFloat(node, context, "value", floatAttribute(node, "value") ?? 0);
  const input = [node.input[0]!, addInts(node, context, "pads", pads), value];
  return [{ ...withoutAttributes(node, "pads", "value"), input }];
};

const slice: NodeRule = (node, context) => {
  const starts = intsAttribute(node, "starts");
  const ends = intsAttribute(node, "ends");
  if (starts === undefined || ends === undefined) return [node];
  const axes = intsAttribute(node, "axes") ?? starts.map((_, axis) => BigInt(axis));
  const input = [node.input[0]!, addInts(node, context, "starts", starts)];
  input.push(addInts(node, context, "ends", ends), addInts(node, context, "axes", axes));
  return [{ ...withoutAttributes(node, "starts", "ends", "axes"), input }];
};

const topK: NodeRule = (node, context) => {
  const k = intAttribute(node, "k");
  if (k === undefined) return [node];
  const input = [node.input[0]!, addInts(node, context, "k", [BigInt(k)])];
  return [{ ...withoutAttributes(node, "k"), input }];
};

/** Upsample of opsets 7 and 9, Resize of 10: all scaled from the corner, the nearest being the floor. */
const resize: NodeRule = (node, context) => {
  const scales = floatsAttribute(node, "scales");
  const scaleInput =
    scales === undefined
      ? node.input[1]!
      : context.addConstant(
          `${node.output[0]}_scales`,
          makeFloats("", Float32Array.from(scales), [scales.length]),
        );
  const region = context.addConstant(`${node.output[0]}_roi`, makeFloats("", new Float32Array(0), [0]));
  const bare = withoutAttributes(node, "scales");
  const located = withAttribute(bare, "coordinate_transformation_mode", "asymmetric");
  const isNearest = (stringAttribute(node, "mode") ?? "nearest") === "nearest";
  const rounded = isNearest ? withAttribute(located, "nearest_mode", "floor") : located;
  return [{ ...rounded, opType: "Resize", input: [node.input[0]!, region, scaleInput] }];
};

const rules: ReadonlyMap<string, NodeRule> = new Map<string, NodeRule>([
  ["Clip", clip],
  ["Pad", pad],
  ["Slice", slice],
  ["TopK", topK],
  ["Upsample", resize],
  ["Resize", resize],
  ["BatchNormalization", (node) => [withoutAttributes(node, "spatial")]],
  ["Scatter", (node) => [{ ...node, opType: "ScatterElements" }]],
]);

function addFloat(node: NodeProto, context: RuleContext, name: string, value: number): string {
  return context.addConstant(`${node.output[0]}_${name}`, makeFloats("", Float32Array.of(value), []));
}

function addInts(node: NodeProto, context: RuleContext, name: string, values: readonly bigint[]): string {
  return context.addConstant(`${node.output[0]}_${name}`, makeInt64s("", values));
}
