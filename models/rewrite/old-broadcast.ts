/**
 * Broadcasting as opsets 1 to 6 had it: the second operand's shape is a contiguous part of the first's, from
 * `axis` on, and only where `broadcast` is 1. Since opset 7 shapes are aligned at their ends, so the second
 * operand gets as many trailing dimensions of 1 as it lacks.
 */
import { intAttribute, withoutAttributes } from "../onnx/attributes.ts";
import { makeNode } from "../onnx/build.ts";
import type { NodeProto } from "../onnx/proto.ts";
import { elementsOf, shapeOf } from "../onnx/tensor.ts";
import { CannotUpgrade } from "./cannot-upgrade.ts";
import type { NodeRule, RuleContext } from "./node-rules.ts";

/** Add, Sub, Mul, Div, Pow, comparisons and logic of opsets 1 to 6. */
export const alignSecondOperand: NodeRule = (original, context) => {
  const node = withoutAttributes(original, "broadcast", "axis");
  const axis = intAttribute(original, "axis");
  // Without an axis, or with -1, the ends are aligned, as today.
  if (intAttribute(original, "broadcast") !== 1 || axis === undefined || axis === -1) return [node];
  const [left, right] = node.input;
  if (isSingle(context, right)) return [node];
  const [rank, partRank] = [context.rank(left), context.rank(right)];
  if (rank === undefined || partRank === undefined) {
    throw new CannotUpgrade(`the rank of '${rank === undefined ? left : right}' is unknown`);
  }
  const start = axis < 0 ? axis + rank : axis;
  const missing = rank - start - partRank;
  if (missing < 0 || start < 0) {
    throw new CannotUpgrade(`${partRank} dimensions do not fit into ${rank} from axis ${axis} on`);
  }
  return withTrailingOnes(node, context, partRank, missing);
};

/** PRelu of opsets 1 to 6, whose slope of one dimension belongs to the channels: axis 1. */
export const alignSlope: NodeRule = (node, context) => {
  const [data, slope] = node.input;
  const slopeRank = context.rank(slope);
  if (isSingle(context, slope) || (slopeRank !== undefined && slopeRank !== 1)) return [node];
  const rank = context.rank(data);
  if (rank === undefined || slopeRank === undefined) {
    throw new CannotUpgrade(`the rank of '${rank === undefined ? data : slope}' is unknown`);
  }
  return withTrailingOnes(node, context, 1, Math.max(0, rank - 2));
};

function withTrailingOnes(node: NodeProto, context: RuleContext, rank: number, count: number): NodeProto[] {
  const [left, right] = node.input;
  if (count === 0 || left === undefined || right === undefined) return [node];
  const aligned = context.fresh(`${right}_aligned`);
  const axes = Array.from({ length: count }, (_, index) => BigInt(rank + index));
  return [makeNode("Unsqueeze", [right], [aligned], { axes }), { ...node, input: [left, aligned] }];
}

function isSingle(context: RuleContext, value: string | undefined): boolean {
  const tensor = context.constant(value);
  return tensor !== undefined && elementsOf(tensor, shapeOf(tensor)) === 1;
}
