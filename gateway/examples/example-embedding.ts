/**
 * The model behind the example `similar`: a small convolutional network with seeded weights, never trained.
 * Random filters see edges and colours well enough to tell pictures apart; what is in them it does not know.
 * Input `image` [1, 3, 64, 64], output `embedding` [1, 512].
 */
import { type Architecture, type BuildOptions, buildModel } from "../../models/zoo/builder.ts";
import { convolution } from "../../models/zoo/layers.ts";

/** An ONNX model. */
export function exampleEmbedding(): Uint8Array<ArrayBuffer> {
  return buildModel("embedding", embedding, { seed: 1 });
}

const embedding: Architecture<BuildOptions> = (builder) => {
  let x = builder.input("image", "float32", [1, 3, 64, 64]);
  let inputs = 3;
  for (const outputs of [16, 32, 32]) {
    const shape = { inputs, outputs, kernel: 3, stride: 2, hasBias: true };
    x = builder.node("Relu", [convolution(builder, `layer${outputs}.${inputs}`, x, shape)]);
    inputs = outputs;
  }
  // A map of 4 x 4: where something is counts as well as what.
  const pooled = builder.node("AveragePool", [x], { kernel_shape: [2n, 2n], strides: [2n, 2n] });
  const flat = builder.node("Flatten", [pooled], { axis: 1n });
  // After ReLUs all vectors point into one corner: only what differs from the mean tells pictures apart.
  const mean = builder.node("ReduceMean", [flat], { axes: [1n], keepdims: 1n });
  builder.output("embedding", builder.node("Sub", [flat, mean]), "float32", [1, 512]);
};
