/** Small models and bundles whose calls can run together, or only seem to. */
import { makeFloats, makeInt64s, makeNode, makeValue } from "../../models/onnx/build.ts";
import { encodeModel } from "../../models/onnx/model.ts";
import type { NodeProto, TensorProto } from "../../models/onnx/proto.ts";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { makeGraph, makeModel } from "../models/onnx/graphs.ts";
import { manifestOf } from "./small-functions.ts";

type Batch = "n" | 1;

/** `x` of rows of 6 into the nodes, `y` of rows of `columns` out of them. */
function rowModel(
  batch: Batch,
  nodes: readonly NodeProto[],
  columns = 6,
  initializer: readonly TensorProto[] = [],
): Uint8Array<ArrayBuffer> {
  return encodeModel(
    makeModel(
      17,
      makeGraph(nodes, {
        input: [makeValue("x", "float32", [batch, 6])],
        output: [makeValue("y", "float32", [batch, columns])],
        initializer,
      }),
    ),
  );
}

const weight = makeFloats(
  "w",
  Float32Array.from({ length: 6 * 4 }, (_, i) => Math.sin(i)),
  [6, 4],
);

/** A dense layer with a softmax of each row. */
export function denseModel(batch: Batch): Uint8Array<ArrayBuffer> {
  const nodes = [
    makeNode("MatMul", ["x", "w"], ["product"]),
    makeNode("Softmax", ["product"], ["y"], { axis: 1n }),
  ];
  return rowModel(batch, nodes, 4, [weight]);
}

/** The same for one example only, as exporters write it: its shapes say 1. */
export function reshapingModel(): Uint8Array<ArrayBuffer> {
  const nodes = [
    makeNode("Reshape", ["x", "grid"], ["cells"]),
    makeNode("Relu", ["cells"], ["positive"]),
    makeNode("Reshape", ["positive", "flat"], ["row"]),
    makeNode("MatMul", ["row", "w"], ["y"]),
  ];
  const shapes = [makeInt64s("grid", [1n, 2n, 3n]), makeInt64s("flat", [1n, 6n])];
  return rowModel(1, nodes, 4, [weight, ...shapes]);
}

/** A softmax over the batch: rows depend on each other. */
export function acrossRowsModel(batch: Batch): Uint8Array<ArrayBuffer> {
  return rowModel(batch, [makeNode("Softmax", ["x"], ["y"], { axis: 0n })]);
}

/** Rows less the mean of all of them. */
export function statisticsModel(): Uint8Array<ArrayBuffer> {
  return rowModel("n", [
    makeNode("ReduceMean", ["x"], ["mean"], { axes: [0n] }),
    makeNode("Sub", ["x", "mean"], ["y"]),
  ]);
}

/** A model in a zip with this `batch` in its manifest. */
export function modelWithBatch(model: Uint8Array, batch: unknown): Uint8Array {
  return buildZip([
    { name: "function.json", content: JSON.stringify({ kind: "onnx", batch }) },
    { name: "model.onnx", content: model },
  ]);
}

const rowShader = (body: string) => `
struct Shape { rows: u32, columns: u32, factor: f32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.rows * shape.columns) { return; }
  let column = id.x % shape.columns;
  ${body}
}
`;

/** `y[row, column] = x[row, column] * w[column] * factor` */
export const scaleRows = rowShader("y[id.x] = x[id.x] * w[column] * shape.factor;");

/** Adds what the first row holds: rows depend on each other. */
export const leakRows = rowShader("y[id.x] = x[id.x] * w[column] * shape.factor + x[column];");

/** A zip of such a shader. */
export function rowBundle(shader: string, batch: unknown): Uint8Array {
  const manifest = manifestOf({
    batch,
    inputs: {
      x: { type: "float32", shape: ["rows", "columns"] },
      w: { type: "float32", shape: ["columns"] },
    },
    outputs: { y: { type: "float32", shape: ["rows", "columns"] } },
    parameters: { factor: { type: "float32", default: 1 } },
    steps: [
      {
        kernel: "main",
        bind: { shape: { rows: "rows", columns: "columns", factor: "factor" }, x: "x", w: "w", y: "y" },
        workgroups: ["ceil(rows * columns / 64)"],
      },
    ],
  });
  return buildZip([
    { name: "function.json", content: manifest },
    { name: "kernel.wgsl", content: shader },
  ]);
}
