/** Writes the nodes that stand in place of one, with fresh names for what lies between. */
import { makeFloats, makeInt64s, makeNode } from "../onnx/build.ts";
import type { NodeProto } from "../onnx/proto.ts";
import type { RuleContext } from "./node-rules.ts";

type Attributes = Parameters<typeof makeNode>[3];

/** Collects the nodes that stand in place of one, each with an output of a fresh name. */
export function writer(node: NodeProto, context: RuleContext) {
  const nodes: NodeProto[] = [];
  const base = node.output[0] ?? "";
  const write = (opType: string, input: readonly string[], attributes: Attributes = {}): string => {
    const output = context.fresh(`${base}_${opType.toLowerCase()}`);
    nodes.push(makeNode(opType, input, [output], attributes));
    return output;
  };
  return Object.assign(write, {
    /** A float32 scalar. */
    constant: (value: number) =>
      context.addConstant(`${base}_const`, makeFloats("", Float32Array.of(value), [])),
    integers: (values: readonly bigint[]) => context.addConstant(`${base}_axes`, makeInt64s("", values)),
    /** Gives the replaced node's output and returns all nodes. */
    last: (opType: string, input: readonly string[], attributes: Attributes = {}): readonly NodeProto[] => [
      ...nodes,
      makeNode(opType, input, [base], attributes),
    ],
  });
}
