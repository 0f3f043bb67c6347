/**
 * ResNet-50, -101 and -152 for images (He et al. 2016, "Deep Residual Learning", with torchvision's stride in
 * the 3×3 convolution): input `data` [batch, 3, size, size], output `scores` [batch, classes].
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

export interface ResnetOptions extends BuildOptions {
  readonly depth?: 50 | 101 | 152;
  /** Bottlenecks a stage, in place of those that go with the depth. */
  readonly blocks?: readonly number[];
  /** Factor to all channel counts. */
  readonly width?: number;
  readonly imageSize?: number;
  readonly classes?: number;
  readonly batch?: Dimension;
  readonly normalization?: Normalization;
}

export function buildResnet(options: ResnetOptions = {}): Uint8Array<ArrayBuffer> {
  return buildModel("resnet", resnet, options);
}

export const resnet: Architecture<ResnetOptions> = (builder, options) => {
  const { depth = 50, width = 1, imageSize = 224, classes = 1000, batch = "batch" } = options;
  const { blocks = stages[depth], normalization = "folded" } = options;
  const channels = (count: number) => Math.max(1, Math.round(count * width));
  const data = builder.input("data", "float32", [batch, 3, imageSize, imageSize]);
  const stem = { inputs: 3, outputs: channels(64), kernel: 7, stride: 2, normalization };
  let x = builder.node("Relu", [normalizedConvolution(builder, "conv1", data, stem)]);
  x = builder.node("MaxPool", [x], { kernel_shape: [3n, 3n], strides: [2n, 2n], pads: [1n, 1n, 1n, 1n] });
  let inputs = channels(64);
  for (const [stage, count] of blocks.entries()) {
    const inner = channels(64 * 2 ** stage);
    for (let block = 0; block < count; block += 1) {
      const stride = block === 0 && stage > 0 ? 2 : 1;
      const name = `layer${stage + 1}.${block}`;
      x = bottleneck(builder, name, x, { inputs, inner, stride, normalization });
      inputs = inner * expansion;
    }
  }
  const pooled = builder.node("Flatten", [builder.node("GlobalAveragePool", [x])], { axis: 1n });
  builder.output("scores", fullyConnected(builder, "fc", pooled, inputs, classes), "float32", [
    batch,
    classes,
  ]);
};

const stages: Readonly<Record<50 | 101 | 152, readonly number[]>> = {
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
};

const expansion = 4;

interface BottleneckOptions {
  readonly inputs: number;
  readonly inner: number;
  readonly stride: number;
  readonly normalization: Normalization;
}

function bottleneck(builder: GraphBuilder, name: string, x: Value, options: BottleneckOptions): Value {
  const { inputs, inner, stride, normalization } = options;
  const outputs = inner * expansion;
  const conv = (
    suffix: string,
    from: Value,
    shape: Omit<Parameters<typeof normalizedConvolution>[3], "normalization">,
  ) => normalizedConvolution(builder, `${name}.${suffix}`, from, { ...shape, normalization });
  const narrow = builder.node("Relu", [conv("conv1", x, { inputs, outputs: inner, kernel: 1 })]);
  const spatial = builder.node("Relu", [
    conv("conv2", narrow, { inputs: inner, outputs: inner, kernel: 3, stride }),
  ]);
  // A small gain: the sums along fifty blocks stay finite without a batch's statistics.
  const wide = conv("conv3", spatial, { inputs: inner, outputs, kernel: 1, gain: 0.3 });
  const isSame = inputs === outputs && stride === 1;
  const shortcut = isSame
    ? x
    : conv("downsample", x, { inputs, outputs, kernel: 1, stride, gain: Math.SQRT1_2 });
  return builder.node("Relu", [builder.node("Add", [wide, shortcut])]);
}
