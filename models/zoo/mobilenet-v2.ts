/**
 * MobileNetV2 for images (Sandler et al. 2018): inverted residuals with depthwise convolutions.
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
import { fullyConnected, type Normalization, normalizedConvolution } from "./layers.ts";

export interface MobilenetV2Options extends BuildOptions {
  /** Factor to all channel counts, which are then rounded to multiples of 8. */
  readonly width?: number;
  /** At most so many residuals a stage. */
  readonly repeats?: number;
  readonly imageSize?: number;
  readonly classes?: number;
  readonly batch?: Dimension;
  readonly normalization?: Normalization;
}

export function buildMobilenetV2(options: MobilenetV2Options = {}): Uint8Array<ArrayBuffer> {
  return buildModel("mobilenet-v2", mobilenetV2, options);
}

export const mobilenetV2: Architecture<MobilenetV2Options> = (builder, options) => {
  const { width = 1, repeats = 4, imageSize = 224, classes = 1000, batch = "batch" } = options;
  const { normalization = "folded" } = options;
  const data = builder.input("data", "float32", [batch, 3, imageSize, imageSize]);
  let inputs = rounded(32 * width);
  let x = relu6(
    builder,
    normalizedConvolution(builder, "stem", data, {
      inputs: 3,
      outputs: inputs,
      kernel: 3,
      stride: 2,
      normalization,
    }),
  );
  for (const [stage, { expansion, channels, count, stride }] of stages.entries()) {
    const outputs = rounded(channels * width);
    for (let block = 0; block < Math.min(count, repeats); block += 1) {
      const shape = { inputs, outputs, expansion, stride: block === 0 ? stride : 1, normalization };
      x = invertedResidual(builder, `stage${stage}.${block}`, x, shape);
      inputs = outputs;
    }
  }
  // The last layer does not shrink below its published width.
  const last = rounded(1280 * Math.max(1, width));
  const head = { inputs, outputs: last, kernel: 1, normalization };
  x = relu6(builder, normalizedConvolution(builder, "head", x, head));
  const pooled = builder.node("Flatten", [builder.node("GlobalAveragePool", [x])], { axis: 1n });
  builder.output("scores", fullyConnected(builder, "fc", pooled, last, classes), "float32", [batch, classes]);
};

/** Table 2 of the paper. */
const stages = [
  { expansion: 1, channels: 16, count: 1, stride: 1 },
  { expansion: 6, channels: 24, count: 2, stride: 2 },
  { expansion: 6, channels: 32, count: 3, stride: 2 },
  { expansion: 6, channels: 64, count: 4, stride: 2 },
  { expansion: 6, channels: 96, count: 3, stride: 1 },
  { expansion: 6, channels: 160, count: 3, stride: 2 },
  { expansion: 6, channels: 320, count: 1, stride: 1 },
] as const;

interface ResidualOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly expansion: number;
  readonly stride: number;
  readonly normalization: Normalization;
}

function invertedResidual(builder: GraphBuilder, name: string, x: Value, options: ResidualOptions): Value {
  const { inputs, outputs, expansion, stride, normalization } = options;
  const inner = inputs * expansion;
  let y = x;
  if (expansion !== 1) {
    const shape = { inputs, outputs: inner, kernel: 1, normalization };
    y = relu6(builder, normalizedConvolution(builder, `${name}.expand`, y, shape));
  }
  const depthwise = { inputs: inner, outputs: inner, kernel: 3, stride, groups: inner, normalization };
  y = relu6(builder, normalizedConvolution(builder, `${name}.depthwise`, y, depthwise));
  const project = { inputs: inner, outputs, kernel: 1, gain: Math.SQRT1_2, normalization };
  y = normalizedConvolution(builder, `${name}.project`, y, project);
  return stride === 1 && inputs === outputs ? builder.node("Add", [x, y]) : y;
}

function relu6(builder: GraphBuilder, x: Value): Value {
  return builder.node("Clip", [x, builder.scalar(0), builder.scalar(6)]);
}

/** To the nearest multiple of 8, but not more than a tenth below. */
function rounded(channels: number): number {
  const nearest = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return nearest < 0.9 * channels ? nearest + 8 : nearest;
}
