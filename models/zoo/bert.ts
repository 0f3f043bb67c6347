/**
 * BERT's encoder with its pooler (Devlin et al. 2019): inputs `input_ids`, `attention_mask`, `token_type_ids`
 * [batch, sequence], outputs `last_hidden_state` [batch, sequence, hidden] and `pooler_output` [batch, hidden].
 * Written with operators that ONNX Runtime's WebGPU provider has.
 */
import type { Dimension } from "../../kernels/tensor.ts";
import {
  type Architecture,
  type BuildOptions,
  buildModel,
  type GraphBuilder,
  type Value,
} from "./builder.ts";
import {
  attention,
  embedding,
  fullyConnected,
  joinHeads,
  layerNormalization,
  linear,
  splitHeads,
} from "./layers.ts";

export interface BertOptions extends BuildOptions {
  readonly layers?: number;
  readonly hidden?: number;
  readonly heads?: number;
  /** Width of the inner layer of each feed-forward part. */
  readonly inner?: number;
  readonly vocabulary?: number;
  /** The longest sequence. */
  readonly positions?: number;
  readonly batch?: Dimension;
  readonly sequence?: Dimension;
  /** int64 is what exporters write; int32 spares a GPU the conversion. */
  readonly idType?: "int64" | "int32";
}

export function buildBert(options: BertOptions = {}): Uint8Array<ArrayBuffer> {
  return buildModel("bert", bert, options);
}

export const bert: Architecture<BertOptions> = (builder, options) => {
  const { layers = 12, hidden = 768, heads = 12, inner = 4 * hidden, batch = "batch" } = options;
  const { sequence = "sequence", idType = "int64" } = options;
  const ids = ["input_ids", "attention_mask", "token_type_ids"].map((name) =>
    builder.input(name, idType, [batch, sequence]),
  ) as [Value, Value, Value];
  const mask = additiveMask(builder, ids[1]);
  let x = embeddings(builder, ids[0], ids[2], options, hidden);
  for (let layer = 0; layer < layers; layer += 1) {
    x = encoderLayer(builder, `encoder.${layer}`, x, mask, { hidden, heads, inner });
  }
  builder.output("last_hidden_state", x, "float32", [batch, sequence, hidden]);
  const first = builder.node("Gather", [x, builder.index(0)], { axis: 1n });
  const pooled = builder.node("Tanh", [fullyConnected(builder, "pooler", first, hidden, hidden)]);
  builder.output("pooler_output", pooled, "float32", [batch, hidden]);
};

const epsilon = 1e-12;

function embeddings(
  builder: GraphBuilder,
  ids: Value,
  types: Value,
  options: BertOptions,
  hidden: number,
): Value {
  const { vocabulary = 30522, positions = 512 } = options;
  const words = builder.node("Gather", [embedding(builder, "embeddings.word", vocabulary, hidden), ids]);
  const table = embedding(builder, "embeddings.position", positions, hidden);
  // The first rows, as many as the sequence is long: a shape, so no value is read back from a GPU.
  const length = builder.node("Shape", [ids], { start: 1n, end: 2n });
  const place = builder.node("Slice", [table, builder.integers([0]), length, builder.integers([0])]);
  const kinds = builder.node("Gather", [embedding(builder, "embeddings.type", 2, hidden), types]);
  const sum = builder.node("Add", [builder.node("Add", [words, kinds]), place]);
  return layerNormalization(builder, "embeddings.norm", sum, hidden, epsilon);
}

/** 0 where the mask is 1, -10000 where it is 0, as [batch, 1, 1, sequence]. */
function additiveMask(builder: GraphBuilder, mask: Value): Value {
  const spread = builder.node("Unsqueeze", [mask, builder.integers([1, 2])]);
  const kept = builder.node("Cast", [spread], { to: 1n });
  return builder.node("Mul", [builder.node("Sub", [builder.scalar(1), kept]), builder.scalar(-10000)]);
}

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly inner: number;
}

function encoderLayer(builder: GraphBuilder, name: string, x: Value, mask: Value, sizes: Sizes): Value {
  const { hidden, heads, inner } = sizes;
  const size = hidden / heads;
  const [query, key, value] = ["query", "key", "value"].map((part) =>
    splitHeads(builder, linear(builder, `${name}.${part}`, x, hidden, hidden), heads, size),
  ) as [Value, Value, Value];
  const joined = joinHeads(builder, attention(builder, { query, key, value }, size, mask), heads, size);
  const mixed = linear(builder, `${name}.output`, joined, hidden, hidden);
  const attended = layerNormalization(
    builder,
    `${name}.norm1`,
    builder.node("Add", [mixed, x]),
    hidden,
    epsilon,
  );
  const wide = gelu(builder, linear(builder, `${name}.inner`, attended, hidden, inner));
  const narrow = linear(builder, `${name}.outer`, wide, inner, hidden);
  return layerNormalization(
    builder,
    `${name}.norm2`,
    builder.node("Add", [narrow, attended]),
    hidden,
    epsilon,
  );
}

/** x/2 · (1 + erf(x / √2)) */
function gelu(builder: GraphBuilder, x: Value): Value {
  const bent = builder.node("Erf", [builder.node("Div", [x, builder.scalar(Math.SQRT2)])]);
  const gated = builder.node("Mul", [x, builder.node("Add", [bent, builder.scalar(1)])]);
  return builder.node("Mul", [gated, builder.scalar(0.5)]);
}
