/**
 * Many functions with weights of their own, made cheaply: shaders with a constant matrix, and a few recorded
 * models whose copies have other weights. A copy is the model's record in the store with each large weight replaced;
 * what it computes means nothing, but it computes the same each time, and nothing else gives the same.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { parseVersionRecord, type VersionRecord } from "../../gateway/functions/record.ts";
import { openStore, type Store } from "../../gateway/store/store.ts";
import { type Tensors, tensorBytes } from "../../kernels/tensor.ts";
import { buildBert } from "../../models/zoo/bert.ts";
import { buildMobilenetV2 } from "../../models/zoo/mobilenet-v2.ts";
import { buildResnet } from "../../models/zoo/resnet.ts";
import { shaderBundle } from "./small-functions.ts";
import { floats, tensorOf } from "./tensors.ts";

/** Numbers in [-1, 1), the same for the same seed (Numerical Recipes' linear congruential generator). */
export function randomFloats(seed: number, count: number): Float32Array<ArrayBuffer> {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const columns = 64;

/** `y = W · x` with a constant W of `rows` by 64 numbers. */
export function matrixBundle(seed: number, rows: number, settings: object = {}): Uint8Array {
  const shader = `
@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&y)) { return; }
  var sum = 0.0;
  for (var i = 0u; i < ${columns}u; i++) { sum += w[id.x * ${columns}u + i] * x[i]; }
  y[id.x] = sum;
}
`;
  const manifest = {
    inputs: { x: { type: "float32", shape: [columns] } },
    outputs: { y: { type: "float32", shape: [rows] } },
    constants: { w: { type: "float32", shape: [rows, columns], file: "w.bin" } },
    steps: [{ kernel: "main", bind: { w: "w", x: "x", y: "y" }, workgroups: [Math.ceil(rows / 64)] }],
    ...settings,
  };
  const weights = randomFloats(seed, rows * columns);
  return shaderBundle(shader, manifest, [{ name: "w.bin", content: new Uint8Array(weights.buffer) }]);
}

/** Of its constant. */
export function matrixBytes(rows: number): number {
  return tensorBytes("float32", [rows, columns]);
}

export function matrixInputs(seed: number): Tensors {
  return { x: floats([columns], [...randomFloats(seed, columns)]) };
}

/** What `matrixBundle` answers, up to rounding. */
export function matrixProduct(seed: number, rows: number, inputSeed: number): Float32Array {
  const w = randomFloats(seed, rows * columns);
  const x = randomFloats(inputSeed, columns);
  return Float32Array.from({ length: rows }, (_, row) =>
    x.reduce((sum, value, i) => sum + w[row * columns + i]! * value, 0),
  );
}

/** Scaled down until a software adapter runs them in milliseconds. */
export const crowdModels = {
  resnet: () => buildResnet({ blocks: [1, 1], width: 0.25, imageSize: 16, classes: 10, batch: 1 }),
  mobilenet: () => buildMobilenetV2({ width: 0.25, repeats: 1, imageSize: 32, classes: 10, batch: 1 }),
  bert: () =>
    buildBert({
      ...{ layers: 1, hidden: 64, heads: 2, inner: 128, vocabulary: 1_000, positions: 16 },
      ...{ batch: 1, sequence: 16, idType: "int32" },
    }),
} as const;

/** Inputs for a signature without free dimensions: small whole numbers for integers. */
export function inputsFor(signature: VersionRecord["signature"], seed: number): Tensors {
  return Object.fromEntries(
    signature.inputs.map(({ name, dataType, shape }, i) => {
      const sizes = shape.map(Number);
      const values = [
        ...randomFloats(
          seed + i,
          sizes.reduce((a, b) => a * b, 1),
        ),
      ];
      if (dataType === "float32") return [name, floats(sizes, values)];
      const isMask = name.includes("mask") || name.includes("type");
      const whole = values.map((value) => (isMask ? (value > 0 ? 1 : 0) : Math.floor((value + 1) * 400)));
      return [name, tensorOf(dataType as "int32", sizes, whole)];
    }),
  );
}

/** Adds copies of deployed models to a store that no gateway has open. @returns the names of the copies. */
export async function addCopies(
  dataFolder: string,
  models: readonly string[],
  copies: number,
): Promise<ReadonlyArray<{ readonly name: string; readonly signature: VersionRecord["signature"] }>> {
  await using store = await openStore(dataFolder, { pid: process.pid });
  const added = [];
  for (const model of models) {
    const stored = await store.functions.read(model, parseVersionRecord);
    const { record } = stored!.versions.at(-1)!;
    for (let copy = 1; copy <= copies; copy++) {
      const name = `${model}-${copy}`;
      await store.functions.writeVersion(name, 1, await withOtherWeights(store, record, copy));
      await store.functions.setCurrent(name, 1);
      added.push({ name, signature: record.signature });
    }
  }
  return added;
}

/** Smaller ones are shapes and indices, which a shader relies on. */
const leastWeightBytes = 1_024;

async function withOtherWeights(store: Store, record: VersionRecord, seed: number): Promise<VersionRecord> {
  const { source } = record;
  const variant = source.type === "onnx" ? source.variants[0] : undefined;
  if (source.type !== "onnx" || variant?.type !== "program") throw new TypeError("The model is not recorded");
  let text = new TextDecoder().decode(await store.programs.read(variant.program));
  const weights: string[] = [];
  for (const digest of variant.weights) {
    const bytes = await store.blobs.read(digest);
    const isLarge = bytes.byteLength >= leastWeightBytes;
    const other = isLarge ? await store.blobs.put(scaled(bytes, seed)) : digest;
    text = text.replaceAll(digest, other);
    weights.push(other);
  }
  const program = await store.programs.put(new TextEncoder().encode(text));
  // Not of an upload: only unlike all others.
  const digest = await store.blobs.put(new TextEncoder().encode(`copy ${seed} of ${record.digest}`));
  return { ...record, digest, source: { ...source, variants: [{ ...variant, program, weights }] } };
}

/** Each number times a factor near 1. */
function scaled(bytes: Uint8Array, seed: number): Uint8Array {
  const values = new Float32Array(bytes.slice().buffer);
  const factors = randomFloats(seed, values.length);
  return new Uint8Array(values.map((value, i) => value * (1 + factors[i]! / 16)).buffer);
}

/** SHA-256 of all output bytes, in the order of their names. */
export function outputsDigest(outputs: ReadonlyMap<string, { readonly data: Uint8Array }>): string {
  const hash = createHash("sha256");
  for (const name of [...outputs.keys()].sort()) hash.update(`${name}:`).update(outputs.get(name)!.data);
  return hash.digest("hex");
}

/** Bytes of the weights of all functions in a store that no gateway has open, shared ones once. */
export async function storedWeightBytes(dataFolder: string): Promise<number> {
  await using store = await openStore(dataFolder, { pid: process.pid });
  const digests = new Set<string>();
  for (const name of await store.functions.names()) {
    const { versions } = (await store.functions.read(name, parseVersionRecord))!;
    const { source } = versions.at(-1)!.record;
    const weights =
      source.type === "onnx"
        ? source.variants.flatMap((one) => (one.type === "program" ? one.weights : []))
        : source.type === "wgsl"
          ? source.weights
          : [];
    for (const digest of weights) digests.add(digest);
  }
  let bytes = 0;
  for (const digest of digests) bytes += (await stat(store.blobs.path(digest))).size;
  return bytes;
}
