/**
 * Operators of opsets 1 to 6 whose form changed, each as opset 7 states it.
 * Meanings are those of ONNX's own history of operators (docs/Changelog.md of onnx/onnx).
 */

import { isDataType } from "../../kernels/tensor.ts";
import {
  findAttribute,
  floatAttribute,
  floatsAttribute,
  intsAttribute,
  stringAttribute,
  withAttribute,
  withoutAttributes,
} from "../onnx/attributes.ts";
import { makeInt64s } from "../onnx/build.ts";
import { onnxTypeCode } from "../onnx/data-types.ts";
import { readTensor } from "../onnx/tensor.ts";
import { CannotUpgrade } from "./cannot-upgrade.ts";
import type { NodeRule, RuleContext } from "./node-rules.ts";

/** For attributes that only named what opset 7 always does. */
export const dropAttributes =
  (...names: readonly string[]): NodeRule =>
  (node) => [withoutAttributes(node, ...names)];

/** The target shape was an attribute. */
export const reshape: NodeRule = (node, context) => {
  const shape = intsAttribute(node, "shape");
  if (shape === undefined) return [node];
  const name = context.addConstant(`${node.output[0]}_shape`, makeInt64s("", shape));
  return [{ ...withoutAttributes(node, "shape"), input: [node.input[0]!, name] }];
};

/** The target type was named, as in `FLOAT`. */
export const cast: NodeRule = (node) => {
  const name = stringAttribute(node, "to");
  if (name === undefined) return [node];
  const lower = name.toLowerCase();
  const dataType = lower === "float" ? "float32" : lower === "double" ? "float64" : lower;
  if (!isDataType(dataType)) throw new CannotUpgrade(`it casts to '${name}'`);
  return [withAttribute(node, "to", BigInt(onnxTypeCode(dataType)))];
};

/** The axis was optional. */
export const concat: NodeRule = (node) => [
  findAttribute(node, "axis") === undefined ? withAttribute(node, "axis", 1n) : node,
];

export const pad: NodeRule = (node) => {
  const paddings = intsAttribute(node, "paddings");
  return [
    paddings === undefined ? node : withAttribute(withoutAttributes(node, "paddings"), "pads", paddings),
  ];
};

/** The sizes could be a second input; since opset 2 they are an attribute. */
export const split: NodeRule = (node, context) => {
  const [data, sizes] = node.input;
  if (data === undefined || sizes === undefined || sizes === "") return [node];
  return [withAttribute({ ...node, input: [data] }, "split", integers(context, sizes))];
};

/** One axis at a time: `tiles` and `axis` were inputs of one element; since opset 6 there is a count for each axis. */
export const tile: NodeRule = (node, context) => {
  const [data, tiles, axis] = node.input;
  if (data === undefined || tiles === undefined || axis === undefined) return [node];
  const rank = context.rank(data);
  if (rank === undefined) throw new CannotUpgrade(`the rank of '${data}' is unknown`);
  const repeats = Array.from({ length: rank }, () => 1n);
  const [count, at] = [integers(context, tiles)[0], integers(context, axis)[0]];
  const index = at === undefined ? -1 : Number(at);
  if (count === undefined || index < 0 || index >= rank)
    throw new CannotUpgrade(`its axis ${at} is not one of ${rank}`);
  repeats[index] = count;
  const name = context.addConstant(`${node.output[0]}_repeats`, makeInt64s("", repeats));
  return [{ ...node, input: [data, name] }];
};

/** The defaults had fewer digits. */
export const selu: NodeRule = (node) => {
  const withAlpha = floatAttribute(node, "alpha") === undefined ? withAttribute(node, "alpha", 1.6732) : node;
  return [
    floatAttribute(node, "gamma") === undefined ? withAttribute(withAlpha, "gamma", 1.0507) : withAlpha,
  ];
};

/** Scales of height and width were attributes of their own; since opset 7 there is one for each axis. */
export const upsample: NodeRule = (node) => {
  const [height, width] = [floatAttribute(node, "height_scale"), floatAttribute(node, "width_scale")];
  const isLinear = stringAttribute(node, "mode") === "bilinear";
  const renamed = isLinear ? withAttribute(node, "mode", "linear") : node;
  if (height === undefined || width === undefined) {
    if (floatsAttribute(node, "scales") !== undefined) return [renamed];
    throw new CannotUpgrade("it has no height_scale and width_scale");
  }
  const bare = withoutAttributes(renamed, "height_scale", "width_scale");
  return [withAttribute(bare, "scales", [1, 1, height, width])];
};

/** `is_test` told training from inference; since opset 7 the number of outputs does. */
export const batchNormalization: NodeRule = (node, context) => {
  const [result, ...statistics] = node.output;
  if (statistics.some((name) => context.isUsed(name))) {
    throw new CannotUpgrade("it is in training mode: its statistics are used");
  }
  return [{ ...withoutAttributes(node, "is_test"), output: result === undefined ? [] : [result] }];
};

/** The order of the norm was a float. */
export const wholeP: NodeRule = (node) => {
  const p = floatAttribute(node, "p");
  if (p === undefined) return [node];
  if (!Number.isInteger(p)) throw new CannotUpgrade(`its p is ${p}, no whole number`);
  return [withAttribute(node, "p", BigInt(p))];
};

export const refuseExperimental: NodeRule = () => {
  throw new CannotUpgrade("it was experimental and is no longer part of ONNX");
};

/** The values of a constant input. */
function integers(context: RuleContext, name: string): readonly bigint[] {
  const constant = context.constant(name);
  if (constant === undefined) throw new CannotUpgrade(`its input '${name}' is no constant`);
  const { dataType, data } = readTensor(constant);
  const copy = Uint8Array.from(data).buffer;
  if (dataType === "int64") return [...new BigInt64Array(copy)];
  if (dataType === "int32") return [...new Int32Array(copy)].map(BigInt);
  // Opset 1 had Tile's counts in the type of its data.
  if (dataType === "float32") return [...new Float32Array(copy)].map((value) => BigInt(Math.trunc(value)));
  throw new CannotUpgrade(`its input '${name}' is ${dataType}`);
}
