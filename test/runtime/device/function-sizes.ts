/** The sizes in bytes of real models' weights, in the order in which a model names them; no weight is made. */
import { bert } from "../../../models/zoo/bert.ts";
import {
  type Architecture,
  GraphBuilder,
  type Value,
  type WeightOptions,
} from "../../../models/zoo/builder.ts";
import { densenet } from "../../../models/zoo/densenet.ts";
import { gpt2Step } from "../../../models/zoo/gpt2-step.ts";
import { mobilenetV2 } from "../../../models/zoo/mobilenet-v2.ts";
import { resnet } from "../../../models/zoo/resnet.ts";

class SizeRecorder extends GraphBuilder {
  readonly sizes: number[] = [];

  override weight(name: string, shape: readonly number[], options: WeightOptions): Value {
    this.sizes.push(shape.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT));
    return super.weight(name, shape, options);
  }
}

function sizesOf<Options>(architecture: Architecture<Options>, options: Options): readonly number[] {
  const recorder = new SizeRecorder("sizes", 0, false);
  architecture(recorder, options);
  return recorder.sizes;
}

/** Perceptrons and the like. */
export const smallFunctions = [
  [784 * 256 * 4, 256 * 4, 256 * 128 * 4, 128 * 4, 128 * 10 * 4, 10 * 4],
  [2048 * 4, 256 * 4],
];

export const imageFunctions = [
  sizesOf(resnet, {}),
  sizesOf(resnet, { width: 0.75 }),
  sizesOf(resnet, { depth: 152 }),
  sizesOf(mobilenetV2, {}),
  sizesOf(mobilenetV2, { width: 1.4 }),
  sizesOf(densenet, {}),
];

/** Each has one weight that is a fifth to a half of all its bytes: 89 MiB of BERT's 418, 147 of GPT-2's 475. */
export const textFunctions = [
  sizesOf(bert, {}),
  sizesOf(bert, { layers: 6 }),
  sizesOf(bert, { layers: 4, hidden: 512, heads: 8 }),
  sizesOf(bert, { layers: 2, hidden: 128, heads: 2 }),
  sizesOf(gpt2Step, {}),
];
