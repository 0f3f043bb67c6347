/**
 * Operators of any number of inputs, and of logic, as chains of those that have a GPU kernel.
 * Dropout is here as the operator that does nothing when a model only answers.
 */
import { makeFloats, makeNode } from "../onnx/build.ts";
import type { NodeProto } from "../onnx/proto.ts";
import type { NodeRule, RuleContext } from "./node-rules.ts";

/** One input: the value itself. */
export const replaceSingle: NodeRule = (node) => (node.input.length === 1 ? [identity(node)] : [node]);

/** Added from left to right, as ONNX Runtime's CPU provider does. */
export const replaceSum: NodeRule = (node, context) => {
  if (node.input.length === 1) return [identity(node)];
  return chain("Add", node, context, node.output[0]!);
};

export const replaceMean: NodeRule = (node, context) => {
  if (node.input.length === 1) return [identity(node)];
  const sum = context.fresh(`${node.output[0]}_sum`);
  const count = makeFloats("", Float32Array.of(node.input.length), []);
  const divisor = context.addConstant(`${node.output[0]}_count`, count);
  return [...chain("Add", node, context, sum), makeNode("Div", [sum, divisor], node.output)];
};

/** a ∨ b = ¬(¬a ∧ ¬b) */
export const replaceOr: NodeRule = (node, context) => {
  const [left, right, both] = [0, 1, 2].map(() => context.fresh(`${node.output[0]}_not`)) as Three;
  return [
    makeNode("Not", [node.input[0]!], [left]),
    makeNode("Not", [node.input[1]!], [right]),
    makeNode("And", [left, right], [both]),
    makeNode("Not", [both], node.output),
  ];
};

/** a ⊕ b = ¬(a ∧ b) ∧ ¬(¬a ∧ ¬b) */
export const replaceXor: NodeRule = (node, context) => {
  const [both, notBoth, either] = [0, 1, 2].map(() => context.fresh(`${node.output[0]}_xor`)) as Three;
  return [
    makeNode("And", node.input, [both]),
    makeNode("Not", [both], [notBoth]),
    ...replaceOr(makeNode("Or", node.input, [either]), context),
    makeNode("And", [notBoth, either], node.output),
  ];
};

/** Outside of training, and where nobody asks for the mask, the value itself. */
export function replaceDropout(opset: number): NodeRule {
  return (node, context) => {
    const [result, mask] = node.output;
    const [, , training] = node.input;
    if (context.isUsed(mask) || result === undefined) return [node];
    if (opset >= 12 && training !== undefined && training !== "" && !isFalse(context, training))
      return [node];
    return [{ ...identity(node), output: [result] }];
  };
}

type Three = [string, string, string];

function identity(node: NodeProto): NodeProto {
  return { ...makeNode("Identity", node.input.slice(0, 1), node.output), ...nameOf(node) };
}

function nameOf(node: NodeProto): { name?: string } {
  return node.name === undefined ? {} : { name: node.name };
}

function chain(opType: string, node: NodeProto, context: RuleContext, result: string): NodeProto[] {
  const nodes: NodeProto[] = [];
  let left = node.input[0]!;
  for (const [index, right] of node.input.slice(1).entries()) {
    const isLast = index === node.input.length - 2;
    const output = isLast ? result : context.fresh(`${node.output[0]}_${opType.toLowerCase()}`);
    nodes.push(makeNode(opType, [left, right], [output]));
    left = output;
  }
  return nodes;
}

function isFalse(context: RuleContext, name: string): boolean {
  const tensor = context.constant(name);
  if (tensor === undefined) return false;
  return tensor.rawData === undefined ? tensor.int32Data[0] === 0 : tensor.rawData[0] === 0;
}
