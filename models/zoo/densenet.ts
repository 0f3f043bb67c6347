/**
 * DenseNet-121 for images (Huang et al. 2017): each layer reads the concatenation of all before it. Its batch
 * normalizations stand before the convolutions, so exporters cannot fold them.
 * Input `data` [batch, 3, size, size], output `scores` [batch, classes].
 */
import type { Dimension } from "../../kernels/tensor.ts";
import {
  type Architecture,
  type BuildOptions,
  buildModel,
  type GraphBuilder,
  type Value,
} from "./builder.ts";
import { batchNormalization, convolution, fullyConnected } from "./layers.ts";

export interface DensenetOptions extends BuildOptions {
  /** Dense layers a block. */
  readonly blocks?: readonly number[];
  /** Channels that each dense layer adds. */
  readonly growth?: number;
  readonly imageSize?: number;
  readonly classes?: number;
  readonly batch?: Dimension;
}

export function buildDensenet(options: DensenetOptions = {}): Uint8Array<ArrayBuffer> {
  return buildModel("densenet", densenet, options);
}

export const densenet: Architecture<DensenetOptions> = (builder, options) => {
  const { blocks = [6, 12, 24, 16], growth = 32, imageSize = 224, classes = 1000, batch = "batch" } = options;
  const data = builder.input("data", "float32", [batch, 3, imageSize, imageSize]);
  let channels = 2 * growth;
  const stem = { inputs: 3, outputs: channels, kernel: 7, stride: 2, hasBias: false };
  let x = normalizedRelu(builder, "norm0", convolution(builder, "conv0", data, stem), channels);
  x = builder.node("MaxPool", [x], { kernel_shape: [3n, 3n], strides: [2n, 2n], pads: [1n, 1n, 1n, 1n] });
  for (const [block, count] of blocks.entries()) {
    for (let layer = 0; layer < count; layer += 1) {
      x = denseLayer(builder, `block${block + 1}.${layer}`, x, channels, growth);
      channels += growth;
    }
    if (block < blocks.length - 1) {
      x = transition(builder, `transition${block + 1}`, x, channels);
      channels = Math.floor(channels / 2);
    }
  }
  x = normalizedRelu(builder, "norm5", x, channels);
  const pooled = builder.node("Flatten", [builder.node("GlobalAveragePool", [x])], { axis: 1n });
  builder.output("scores", fullyConnected(builder, "fc", pooled, channels, classes), "float32", [
    batch,
    classes,
  ]);
};

function denseLayer(builder: GraphBuilder, name: string, x: Value, inputs: number, growth: number): Value {
  const inner = 4 * growth;
  let y = normalizedRelu(builder, `${name}.norm1`, x, inputs);
  y = convolution(builder, `${name}.conv1`, y, { inputs, outputs: inner, kernel: 1, hasBias: false });
  y = normalizedRelu(builder, `${name}.norm2`, y, inner);
  y = convolution(builder, `${name}.conv2`, y, { inputs: inner, outputs: growth, kernel: 3, hasBias: false });
  return builder.node("Concat", [x, y], { axis: 1n });
}

/** Halves channels, height and width. */
function transition(builder: GraphBuilder, name: string, x: Value, channels: number): Value {
  const y = normalizedRelu(builder, `${name}.norm`, x, channels);
  const shape = { inputs: channels, outputs: Math.floor(channels / 2), kernel: 1, hasBias: false };
  const halved = convolution(builder, `${name}.conv`, y, shape);
  return builder.node("AveragePool", [halved], { kernel_shape: [2n, 2n], strides: [2n, 2n] });
}

function normalizedRelu(builder: GraphBuilder, name: string, x: Value, channels: number): Value {
  return builder.node("Relu", [batchNormalization(builder, name, x, channels)]);
}
