/**
 * Local response normalization (AlexNet, GoogLeNet) without a GPU kernel of its own:
 * x / (bias + α/size · Σ x²)^β, the sum over `size` neighbouring channels, zero outside.
 * An average pool over the channels, with the zeros counted, is Σ/size.
 */
import { floatAttribute, intAttribute } from "../onnx/attributes.ts";
import type { NodeRule } from "./node-rules.ts";
import { writer } from "./node-writer.ts";

export const replaceLrn: NodeRule = (node, context) => {
  const size = intAttribute(node, "size");
  if (size === undefined) return [node];
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const write = writer(node, context);
  const x = node.input[0]!;
  // [N, C, …] → [N, 1, C, rest]: one image a batch element, whose rows are the channels.
  const columns = write("Reshape", [write("Mul", [x, x]), write.integers([0n, 0n, -1n, 1n])]);
  const image = write("Transpose", [columns], { perm: [0n, 3n, 1n, 2n] });
  const pooled = write("AveragePool", [image], {
    kernel_shape: [BigInt(size), 1n],
    pads: [BigInt(before), 0n, BigInt(after), 0n],
    strides: [1n, 1n],
    count_include_pad: 1n,
  });
  const mean = write("Reshape", [pooled, write("Shape", [x])]);
  const scaled = write("Mul", [mean, write.constant(floatAttribute(node, "alpha") ?? 0.0001)]);
  const base = write("Add", [scaled, write.constant(floatAttribute(node, "bias") ?? 1)]);
  const divisor = write("Pow", [base, write.constant(floatAttribute(node, "beta") ?? 0.75)]);
  return write.last("Div", [x, divisor]);
};
