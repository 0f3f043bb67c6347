/**
 * Layers that several architectures share, with weights scaled so that activations neither vanish nor grow:
 * He's limits before a ReLU, Xavier's elsewhere.
 */
import type { GraphBuilder, Value } from "./builder.ts";

export interface ConvolutionOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  /** Added values, one a channel: what a folded batch normalization leaves. */
  readonly hasBias: boolean;
  /** Factor to He's scaling; √½ keeps the variance where no ReLU follows. */
  readonly gain?: number;
}

/** A square convolution whose output has the input's size divided by the stride. */
export function convolution(
  builder: GraphBuilder,
  name: string,
  x: Value,
  options: ConvolutionOptions,
): Value {
  const { inputs, outputs, kernel, stride = 1, groups = 1, hasBias, gain = 1 } = options;
  const fanIn = (inputs / groups) * kernel * kernel;
  const limit = gain * Math.sqrt(6 / fanIn);
  const weight = builder.weight(`${name}.weight`, [outputs, inputs / groups, kernel, kernel], { limit });
  const bias = hasBias ? [builder.weight(`${name}.bias`, [outputs], { limit: 0.05 })] : [];
  const [size, step, pad] = [BigInt(kernel), BigInt(stride), BigInt(Math.floor(kernel / 2))];
  return builder.node("Conv", [x, weight, ...bias], {
    kernel_shape: [size, size],
    strides: [step, step],
    pads: [pad, pad, pad, pad],
    dilations: [1n, 1n],
    group: BigInt(groups),
  });
}

/** In inference form: scale and shift are parameters, mean and variance are statistics. */
export function batchNormalization(builder: GraphBuilder, name: string, x: Value, channels: number): Value {
  const scale = builder.weight(`${name}.weight`, [channels], { limit: 0.2, center: 1 });
  const shift = builder.weight(`${name}.bias`, [channels], { limit: 0.1 });
  const mean = builder.weight(`${name}.running_mean`, [channels], { limit: 0.1, isTrained: false });
  const variance = builder.weight(`${name}.running_var`, [channels], {
    limit: 0.2,
    center: 1,
    isTrained: false,
  });
  return builder.node("BatchNormalization", [x, scale, shift, mean, variance], { epsilon: 1e-5 });
}

/** How convolutional models carry their batch normalizations: `folded` is what exporters write. */
export type Normalization = "folded" | "kept";

/** A convolution and its batch normalization, which is folded into the convolution's weights or kept. */
export function normalizedConvolution(
  builder: GraphBuilder,
  name: string,
  x: Value,
  options: Omit<ConvolutionOptions, "hasBias"> & { readonly normalization: Normalization },
): Value {
  const isFolded = options.normalization === "folded";
  const y = convolution(builder, name, x, { ...options, hasBias: isFolded });
  return isFolded ? y : batchNormalization(builder, `${name}.bn`, y, options.outputs);
}

/** x · Wᵀ + b on [batch, inputs]. */
export function fullyConnected(
  builder: GraphBuilder,
  name: string,
  x: Value,
  inputs: number,
  outputs: number,
): Value {
  const weight = builder.weight(`${name}.weight`, [outputs, inputs], { limit: Math.sqrt(3 / inputs) });
  const bias = builder.weight(`${name}.bias`, [outputs], { limit: 0.05 });
  return builder.node("Gemm", [x, weight, bias], { transB: 1n });
}

/** x · W + b on the last axis of any shape. */
export function linear(
  builder: GraphBuilder,
  name: string,
  x: Value,
  inputs: number,
  outputs: number,
): Value {
  const weight = builder.weight(`${name}.weight`, [inputs, outputs], { limit: Math.sqrt(3 / inputs) });
  const bias = builder.weight(`${name}.bias`, [outputs], { limit: 0.05 });
  return builder.node("Add", [builder.node("MatMul", [x, weight]), bias]);
}

export function layerNormalization(
  builder: GraphBuilder,
  name: string,
  x: Value,
  size: number,
  epsilon: number,
): Value {
  const scale = builder.weight(`${name}.weight`, [size], { limit: 0.2, center: 1 });
  const shift = builder.weight(`${name}.bias`, [size], { limit: 0.1 });
  return builder.node("LayerNormalization", [x, scale, shift], { axis: -1n, epsilon });
}

/** A table of vectors; rows are picked with Gather. */
export function embedding(builder: GraphBuilder, name: string, rows: number, size: number): Value {
  return builder.weight(`${name}.weight`, [rows, size], { limit: 0.05 });
}

/** [batch, sequence, heads · size] → [batch, heads, sequence, size] */
export function splitHeads(builder: GraphBuilder, x: Value, heads: number, size: number): Value {
  const split = builder.node("Reshape", [x, builder.integers([0, 0, heads, size])]);
  return builder.node("Transpose", [split], { perm: [0n, 2n, 1n, 3n] });
}

/** [batch, heads, sequence, size] → [batch, sequence, heads · size] */
export function joinHeads(builder: GraphBuilder, x: Value, heads: number, size: number): Value {
  const turned = builder.node("Transpose", [x], { perm: [0n, 2n, 1n, 3n] });
  return builder.node("Reshape", [turned, builder.integers([0, 0, heads * size])]);
}

/** softmax(q · kᵀ / √size + mask) · v, all [batch, heads, sequence, size]. */
export function attention(
  builder: GraphBuilder,
  { query, key, value }: { readonly query: Value; readonly key: Value; readonly value: Value },
  size: number,
  mask?: Value,
): Value {
  const turned = builder.node("Transpose", [key], { perm: [0n, 1n, 3n, 2n] });
  const product = builder.node("MatMul", [query, turned]);
  const scaled = builder.node("Mul", [product, builder.scalar(1 / Math.sqrt(size))]);
  const masked = mask === undefined ? scaled : builder.node("Add", [scaled, mask]);
  return builder.node("MatMul", [builder.node("Softmax", [masked], { axis: -1n }), value]);
}
