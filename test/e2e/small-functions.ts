/** Small functions for tests of deploys: a shader and a model whose answers are easily worked out. */
import type { Tensor } from "../../kernels/tensor.ts";
import { makeFloats, makeNode, makeValue } from "../../models/onnx/build.ts";
import { encodeModel } from "../../models/onnx/model.ts";
import type { TensorProto } from "../../models/onnx/proto.ts";
import { buildZip, type ZipPart } from "../gateway/bundle/zip-builder.ts";
import { makeGraph, makeModel } from "../models/onnx/graphs.ts";
import { floats } from "./tensors.ts";

/** A lone shader: `y = x * factor` over n floats. */
export function timesShader(factor: number): string {
  return `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) {
    y[id.x] = x[id.x] * ${factor.toFixed(1)};
  }
}
`;
}

/** `y = 2 * x`, and never an end where an element of x is negative. */
export const trapShader = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&y)) { return; }
  y[id.x] = 2.0 * x[id.x];
  loop {
    if (x[id.x] >= 0.0) { break; }
    y[id.x] = y[id.x] + 1.0;
  }
}
`;

export const width = 96;

/** `factor` on the diagonal: what the model below multiplies by. */
export function diagonal(factor: number): Float32Array {
  return Float32Array.from({ length: width ** 2 }, (_, i) => (i % (width + 1) === 0 ? factor : 0));
}

/** A model over free rows: `y = x · diagonal(factor)`, so `y = x * factor`, with one weight of 36 KiB. */
export function timesModel(factor: number): Uint8Array<ArrayBuffer> {
  return modelWith(makeFloats("w", diagonal(factor), [width, width]));
}

/** The same, with its weight in the file `location` beside it, whose SHA-1 it may state. */
export function timesModelWithFile(location: string, checksum?: string): Uint8Array<ArrayBuffer> {
  const { rawData, ...weight } = makeFloats("w", new Float32Array(width ** 2), [width, width]);
  const externalData = [{ key: "location", value: location }];
  if (checksum !== undefined) externalData.push({ key: "checksum", value: checksum });
  return modelWith({ ...weight, dataLocation: 1, externalData });
}

function modelWith(weight: TensorProto): Uint8Array<ArrayBuffer> {
  const shape = ["rows", width];
  return encodeModel(
    makeModel(
      17,
      makeGraph([makeNode("MatMul", ["x", "w"], ["y"])], {
        input: [makeValue("x", "float32", shape)],
        output: [makeValue("y", "float32", shape)],
        initializer: [weight],
      }),
    ),
  );
}

/** A zip of that shader and its manifest, with other files beside them. */
export function shaderBundle(
  shader: string,
  settings: Readonly<Record<string, unknown>> = {},
  files: readonly ZipPart[] = [],
): Uint8Array<ArrayBuffer> {
  return buildZip([
    { name: "function.json", content: manifestOf(settings) },
    { name: "kernel.wgsl", content: shader },
    ...files,
  ]);
}

/**
 * `y = x * factor`, by the last of the `count` numbers of a constant, which are all the factor.
 * @param where the manifest has them: as a list, or in a file that it names.
 */
export function timesConstant(factor: number, count: number, where: "values" | "file"): Uint8Array {
  const values = new Float32Array(count).fill(factor);
  const isFile = where === "file";
  const constant = isFile ? { file: "w.bin" } : { values: [...values] };
  const shader = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * w[${count - 1}]; }
}
`;
  const settings = {
    constants: { w: { type: "float32", shape: [count], ...constant } },
    steps: [{ kernel: "main", bind: { x: "x", w: "w", y: "y" }, workgroups: ["ceil(n / 64)"] }],
  };
  return shaderBundle(
    shader,
    settings,
    isFile ? [{ name: "w.bin", content: new Uint8Array(values.buffer) }] : [],
  );
}

/** `y = x * factor²`, with 256 KiB of activations for each element of x. */
export function hungryBundle(factor: number): Uint8Array<ArrayBuffer> {
  return shaderBundle(timesShader(factor), {
    temporaries: { large: { type: "float32", shape: ["n * 65536"] } },
    steps: [
      { kernel: "main", bind: { x: "x", y: "large" }, workgroups: [1] },
      { kernel: "main", bind: { x: "large", y: "y" }, workgroups: [1] },
    ],
  });
}

/** Rows of 1, 2, 3, … for `timesModel`. */
export function modelRows(count = 1): Tensor {
  const values = Array.from({ length: count * width }, (_, i) => i + 1);
  return floats([count, width], values);
}

/** The manifest of a zip that has one shader, `kernel.wgsl`. */
export function manifestOf(overrides: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    kind: "wgsl",
    inputs: { x: { type: "float32", shape: ["n"] } },
    outputs: { y: { type: "float32", shape: ["n"] } },
    kernels: { main: { file: "kernel.wgsl" } },
    steps: [{ kernel: "main", bind: { x: "x", y: "y" }, workgroups: ["ceil(n / 64)"] }],
    ...overrides,
  });
}
