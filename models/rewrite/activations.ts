/**
 * Activations without a GPU kernel, each written with operators that have one.
 * Formulas are those of ONNX's operator definitions; all but LogSoftmax bring float32 constants along.
 */
import { floatAttribute, intAttribute } from "../onnx/attributes.ts";
import type { NodeProto } from "../onnx/proto.ts";
import type { NodeRule, RuleContext } from "./node-rules.ts";
import { writer } from "./node-writer.ts";

/** γ · elu(x, α) */
export const replaceSelu: NodeRule = (node, context) => {
  const alpha = floatAttribute(node, "alpha") ?? 1.6732631921768188;
  const gamma = floatAttribute(node, "gamma") ?? 1.0507010221481323;
  const write = writer(node, context);
  const elu = write("Elu", [node.input[0]!], { alpha });
  return write.last("Mul", [elu, write.constant(gamma)]);
};

/** α · elu(x / α, 1) */
export const replaceCelu: NodeRule = (node, context) => {
  const write = writer(node, context);
  const alpha = write.constant(floatAttribute(node, "alpha") ?? 1);
  const elu = write("Elu", [write("Div", [node.input[0]!, alpha])], { alpha: 1 });
  return write.last("Mul", [elu, alpha]);
};

/** x / (1 + |x|) */
export const replaceSoftsign: NodeRule = (node, context) => {
  const write = writer(node, context);
  const x = node.input[0]!;
  return write.last("Div", [x, write("Add", [write("Abs", [x]), write.constant(1)])]);
};

/** [x > 0] - [x < 0]; the casts are to float32 */
export const replaceSign: NodeRule = (node, context) => {
  const write = writer(node, context);
  const [x, zero] = [node.input[0]!, write.constant(0)];
  const isOver = write("Cast", [write("Greater", [x, zero])], { to: 1n });
  const isUnder = write("Cast", [write("Less", [x, zero])], { to: 1n });
  return write.last("Sub", [isOver, isUnder]);
};

/** x + bias under -λ, x - bias over λ, 0 between */
export const replaceShrink: NodeRule = (node, context) => {
  const [bias, lambda] = [floatAttribute(node, "bias") ?? 0, floatAttribute(node, "lambd") ?? 0.5];
  const write = writer(node, context);
  const [x, shift] = [node.input[0]!, write.constant(bias)];
  const isOver = write("Greater", [x, write.constant(lambda)]);
  const isUnder = write("Less", [x, write.constant(-lambda)]);
  const over = write("Where", [isOver, write("Sub", [x, shift]), write.constant(0)]);
  return write.last("Where", [isUnder, write("Add", [x, shift]), over]);
};

/** To the nearest whole number, halves to the even one. */
export const replaceRound: NodeRule = (node, context) => {
  const write = writer(node, context);
  const [x, one, half] = [node.input[0]!, write.constant(1), write.constant(0.5)];
  const below = write("Floor", [x]);
  const above = write("Add", [below, one]);
  const rest = write("Sub", [x, below]);
  // Of two neighbours, twice the floor of half the upper one is the even one.
  const even = write("Mul", [write("Floor", [write("Mul", [above, half])]), write.constant(2)]);
  const notOver = write("Where", [write("Less", [rest, half]), below, even]);
  return write.last("Where", [write("Greater", [rest, half]), above, notOver]);
};

/** x - max - ln(Σ exp(x - max)); up to opset 12 over all axes from the given one on. */
export function replaceLogSoftmax(opset: number): NodeRule {
  return (node, context) => {
    const axes = softmaxAxes(node, context, opset);
    if (axes === undefined) return [node];
    const write = writer(node, context);
    const reduce = (opType: string, axesAreInput: number, x: string) =>
      opset >= axesAreInput
        ? write(opType, [x, write.integers(axes)], { keepdims: 1n })
        : write(opType, [x], { axes, keepdims: 1n });
    const x = node.input[0]!;
    const shifted = write("Sub", [x, reduce("ReduceMax", 18, x)]);
    const sum = reduce("ReduceSum", 13, write("Exp", [shifted]));
    return write.last("Sub", [shifted, write("Log", [sum])]);
  };
}

/** Undefined where the rank decides and is unknown. */
function softmaxAxes(node: NodeProto, context: RuleContext, opset: number): readonly bigint[] | undefined {
  const axis = intAttribute(node, "axis");
  if (opset >= 13) return [BigInt(axis ?? -1)];
  const rank = context.rank(node.input[0]);
  if (rank === undefined) return undefined;
  const from = axis ?? 1;
  const start = from < 0 ? from + rank : from;
  return Array.from({ length: rank - start }, (_, index) => BigInt(start + index));
}
