/** The zoo's architectures: published sizes, and scaled-down models that run. */
import { describe, expect, it } from "vitest";
import { decodeModel } from "../../../models/onnx/model.ts";
import { readSignature } from "../../../models/onnx/signature.ts";
import { readTensor } from "../../../models/onnx/tensor.ts";
import { bert, buildBert } from "../../../models/zoo/bert.ts";
import { buildModelWithData, countParameters } from "../../../models/zoo/builder.ts";
import { buildDensenet, densenet } from "../../../models/zoo/densenet.ts";
import { buildGpt2Step, gpt2Step } from "../../../models/zoo/gpt2-step.ts";
import { buildMobilenetV2, mobilenetV2 } from "../../../models/zoo/mobilenet-v2.ts";
import { buildResnet, resnet } from "../../../models/zoo/resnet.ts";
import { floats, numbersOf, runReference, zeros } from "../rewrite/reference.ts";

describe("parameter counts are the published ones", () => {
  // torchvision's models and Hugging Face's bert-base-uncased and gpt2.
  it.each([
    ["ResNet-50", 25_557_032, () => countParameters(resnet, { depth: 50, normalization: "kept" })],
    ["ResNet-101", 44_549_160, () => countParameters(resnet, { depth: 101, normalization: "kept" })],
    ["ResNet-152", 60_192_808, () => countParameters(resnet, { depth: 152, normalization: "kept" })],
    ["MobileNetV2", 3_504_872, () => countParameters(mobilenetV2, { normalization: "kept" })],
    ["DenseNet-121", 7_978_856, () => countParameters(densenet, {})],
    ["BERT base", 109_482_240, () => countParameters(bert, {})],
    ["GPT-2", 124_439_808, () => countParameters(gpt2Step, {})],
  ])("of %s: %i", (_, published, count) => {
    expect(count()).toBe(published);
  });

  it("less one a channel where normalizations are folded into biases", () => {
    expect(countParameters(resnet, { depth: 50 })).toBe(25_557_032 - 26_560);
  });
});

interface Small {
  readonly name: string;
  readonly build: (seed: number) => Uint8Array;
  /** Sizes of the free dimensions. */
  readonly sizes: Readonly<Record<string, number>>;
}

const image = { imageSize: 32, classes: 10 };
const text = { layers: 2, hidden: 32, heads: 4, vocabulary: 50, positions: 16 };
const smallModels: readonly Small[] = [
  {
    name: "ResNet",
    build: (seed) => buildResnet({ ...image, width: 1 / 16, blocks: [1, 2, 1, 1], seed }),
    sizes: { batch: 2 },
  },
  {
    name: "ResNet with its normalizations",
    build: (seed) => buildResnet({ ...image, width: 1 / 16, blocks: [1, 1], normalization: "kept", seed }),
    sizes: { batch: 1 },
  },
  {
    name: "MobileNetV2",
    build: (seed) => buildMobilenetV2({ ...image, width: 0.1, repeats: 2, seed }),
    sizes: { batch: 2 },
  },
  {
    name: "DenseNet",
    build: (seed) => buildDensenet({ ...image, blocks: [2, 3], growth: 4, seed }),
    sizes: { batch: 2 },
  },
  { name: "BERT", build: (seed) => buildBert({ ...text, seed }), sizes: { batch: 2, sequence: 5 } },
  {
    name: "BERT on int32",
    build: (seed) => buildBert({ ...text, idType: "int32", seed }),
    sizes: { batch: 1, sequence: 3 },
  },
  { name: "GPT-2 step", build: (seed) => buildGpt2Step({ ...text, seed }), sizes: { batch: 2, past: 4 } },
];

describe.each(smallModels.map((small) => [small.name, small] as const))(
  "a small %s",
  (_, { build, sizes }) => {
    it("gives finite outputs that differ from each other and from row to row", async () => {
      const bytes = build(1);
      const outputs = await runReference(bytes, feeds(bytes, sizes));
      for (const tensor of Object.values(outputs)) {
        const values = numbersOf(tensor);
        expect(values.every(Number.isFinite)).toBe(true);
        expect(Math.max(...values.map(Math.abs))).toBeLessThan(1e4);
        expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(1e-3);
        const half = values.length / 2;
        if (sizes.batch === 2) expect(values.slice(0, half)).not.toEqual(values.slice(half));
      }
    });

    it("has the same bytes for the same seed, and others for another", () => {
      expect(Buffer.compare(build(1), build(1))).toBe(0);
      expect(Buffer.compare(build(1), build(2))).not.toBe(0);
    });
  },
);

describe("a GPT-2 step", () => {
  it("extends its cache, and its scores depend on what the cache holds", async () => {
    const bytes = buildGpt2Step({ ...text, layers: 1 });
    const step = (token: bigint, place: bigint, past: Readonly<Record<string, ReturnType<typeof floats>>>) =>
      runReference(bytes, { input_ids: id(token), position_ids: id(place), ...past });
    const start = Object.fromEntries(
      ["key", "value"].map((part) => [`past_key_values.0.${part}`, ramp([1, 4, 1, 8])]),
    );
    const first = await step(7n, 1n, start);
    const past = (outputs: typeof first) =>
      Object.fromEntries(
        ["key", "value"].map((part) => [`past_key_values.0.${part}`, outputs[`present.0.${part}`]!]),
      );
    expect(first["present.0.key"]?.shape).toEqual([1, 4, 2, 8]);
    const second = await step(9n, 2n, past(first));
    const other = await step(9n, 2n, past(await step(8n, 1n, start)));
    expect(second.logits?.shape).toEqual([1, 1, 50]);
    expect(second.logits?.data).not.toEqual(other.logits?.data);
  });
});

describe("BERT's mask", () => {
  it("hides tokens: what stands behind it changes nothing before it", async () => {
    const bytes = buildBert(text);
    const run = async (last: bigint, visible: bigint) => {
      const sequence = (...values: readonly bigint[]) => int64s(values, [1, 3]);
      const outputs = await runReference(bytes, {
        input_ids: sequence(4n, 5n, last),
        attention_mask: sequence(1n, 1n, visible),
        token_type_ids: sequence(0n, 0n, 0n),
      });
      return numbersOf(outputs.last_hidden_state!).slice(0, 2 * text.hidden);
    };
    expect(await run(6n, 0n)).toEqual(await run(7n, 0n));
    expect(await run(6n, 1n)).not.toEqual(await run(7n, 1n));
  });
});

describe("buildModelWithData()", () => {
  it("keeps the same weights in a file of its own", () => {
    const options = { ...image, width: 1 / 16, blocks: [1, 1] };
    const { model, externalData } = buildModelWithData("resnet", resnet, options, "weights.bin");
    const inline = decodeModel(buildResnet(options)).graph.initializer;
    const outside = decodeModel(model).graph.initializer;
    expect(outside.filter(({ dataLocation }) => dataLocation === 1).length).toBeGreaterThan(3);
    const files = (location: string) => (location === "weights.bin" ? externalData : undefined);
    expect(outside.map((tensor) => readTensor(tensor, files))).toEqual(
      inline.map((tensor) => readTensor(tensor)),
    );
    expect(model.length).toBeLessThan(externalData.length);
  });
});

/** Inputs of seeded-looking values: floats in [-1, 1], ids that grow, masks of ones. */
function feeds(bytes: Uint8Array, sizes: Readonly<Record<string, number>>) {
  const { inputs } = readSignature(decodeModel(bytes));
  return Object.fromEntries(
    inputs.map(({ name, dataType, shape: dims }) => {
      const shape = dims.map((size) => (typeof size === "number" ? size : (sizes[size] ?? 1)));
      const count = shape.reduce((product, size) => product * size, 1);
      if (dataType === "float32") return [name, ramp(shape)];
      const ids = Array.from({ length: count }, (_, index) =>
        name === "attention_mask" ? 1n : BigInt(index),
      );
      const isType = name === "token_type_ids";
      if (dataType === "int64") return [name, isType ? zeros("int64", shape) : int64s(ids, shape)];
      return [
        name,
        {
          dataType,
          shape,
          data: new Uint8Array(Int32Array.from(isType ? ids.map(() => 0) : ids.map(Number)).buffer),
        },
      ];
    }),
  );
}

function ramp(shape: readonly number[]) {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length: count }, (_, index) => Math.sin(index * 12.9898));
  return floats(values, shape);
}

function int64s(values: readonly bigint[], shape: readonly number[]) {
  return { dataType: "int64", shape, data: new Uint8Array(BigInt64Array.from(values).buffer) } as const;
}

function id(value: bigint) {
  return int64s([value], [1, 1]);
}
