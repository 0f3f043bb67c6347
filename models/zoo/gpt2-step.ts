/**
 * One step of GPT-2 (Radford et al. 2019) with a cache: the next token's scores from one token and the keys and
 * values of all before it. The default is the smallest published size, 124 million parameters.
 * Inputs `input_ids` and `position_ids` [batch, 1] and, for each layer i, `past_key_values.i.key` and `.value`
 * [batch, heads, past, size]; outputs `logits` [batch, 1, vocabulary] and `present.i.key` and `.value`.
 */
import type { Dimension } from "../../kernels/tensor.ts";
import {
  type Architecture,
  type BuildOptions,
  buildModel,
  type GraphBuilder,
  type Value,
} from "./builder.ts";
import { attention, embedding, joinHeads, layerNormalization, linear, splitHeads } from "./layers.ts";

export interface Gpt2Options extends BuildOptions {
  readonly layers?: number;
  readonly hidden?: number;
  readonly heads?: number;
  readonly vocabulary?: number;
  /** The longest sequence. */
  readonly positions?: number;
  readonly batch?: Dimension;
  /** Tokens in the cache before the step. */
  readonly past?: Dimension;
}

export function buildGpt2Step(options: Gpt2Options = {}): Uint8Array<ArrayBuffer> {
  return buildModel("gpt2-step", gpt2Step, options);
}

export const gpt2Step: Architecture<Gpt2Options> = (builder, options) => {
  const {
    layers = 12,
    hidden = 768,
    heads = 12,
    vocabulary = 50257,
    positions = 1024,
    batch = "batch",
  } = options;
  const ids = builder.input("input_ids", "int64", [batch, 1]);
  const places = builder.input("position_ids", "int64", [batch, 1]);
  const words = embedding(builder, "wte", vocabulary, hidden);
  const order = embedding(builder, "wpe", positions, hidden);
  let x = builder.node("Add", [
    builder.node("Gather", [words, ids]),
    builder.node("Gather", [order, places]),
  ]);
  for (let layer = 0; layer < layers; layer += 1) {
    x = decoderLayer(builder, layer, x, { hidden, heads, batch, past: options.past ?? "past" });
  }
  x = layerNormalization(builder, "ln_f", x, hidden, epsilon);
  // The table of words is also the last layer, transposed: stored once.
  const rows = builder.node("Reshape", [x, builder.integers([-1, hidden])]);
  const scores = builder.node("Gemm", [rows, words], { transB: 1n });
  const logits = builder.node("Reshape", [scores, builder.integers([-1, 1, vocabulary])]);
  builder.output("logits", logits, "float32", [batch, 1, vocabulary]);
};

const epsilon = 1e-5;

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly batch: Dimension;
  readonly past: Dimension;
}

function decoderLayer(builder: GraphBuilder, layer: number, x: Value, sizes: Sizes): Value {
  const { hidden } = sizes;
  const name = `h.${layer}`;
  const attended = builder.node("Add", [x, cachedAttention(builder, layer, x, sizes)]);
  const normal = layerNormalization(builder, `${name}.ln_2`, attended, hidden, epsilon);
  const wide = gelu(builder, linear(builder, `${name}.mlp.c_fc`, normal, hidden, 4 * hidden));
  return builder.node("Add", [attended, linear(builder, `${name}.mlp.c_proj`, wide, 4 * hidden, hidden)]);
}

function cachedAttention(builder: GraphBuilder, layer: number, x: Value, sizes: Sizes): Value {
  const { hidden, heads } = sizes;
  const name = `h.${layer}`;
  const normal = layerNormalization(builder, `${name}.ln_1`, x, hidden, epsilon);
  const all = linear(builder, `${name}.attn.c_attn`, normal, hidden, 3 * hidden);
  const parts = builder.nodes("Split", [all, builder.integers([hidden, hidden, hidden])], 3, { axis: -1n });
  const size = hidden / heads;
  const [query, key, value] = parts.map((part) => splitHeads(builder, part, heads, size)) as [
    Value,
    Value,
    Value,
  ];
  const cached = {
    query,
    key: extendCache(builder, `${layer}.key`, key, size, sizes),
    value: extendCache(builder, `${layer}.value`, value, size, sizes),
  };
  // One query sees all of the cache, so there is nothing to mask.
  const joined = joinHeads(builder, attention(builder, cached, size), heads, size);
  return linear(builder, `${name}.attn.c_proj`, joined, hidden, hidden);
}

function extendCache(builder: GraphBuilder, name: string, added: Value, size: number, sizes: Sizes): Value {
  const { heads, batch, past } = sizes;
  const before = builder.input(`past_key_values.${name}`, "float32", [batch, heads, past, size]);
  const whole = builder.node("Concat", [before, added], { axis: 2n });
  const total = typeof past === "number" ? past + 1 : `${past} + 1`;
  builder.output(`present.${name}`, whole, "float32", [batch, heads, total, size]);
  return whole;
}

/** x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))) */
function gelu(builder: GraphBuilder, x: Value): Value {
  const cube = builder.node("Mul", [builder.node("Mul", [x, x]), x]);
  const bent = builder.node("Add", [x, builder.node("Mul", [cube, builder.scalar(0.044715)])]);
  const tanh = builder.node("Tanh", [builder.node("Mul", [bent, builder.scalar(Math.sqrt(2 / Math.PI))])]);
  const gated = builder.node("Mul", [x, builder.node("Add", [tanh, builder.scalar(1)])]);
  return builder.node("Mul", [gated, builder.scalar(0.5)]);
}
