/**
 * The functions of the density benchmark: Programs of a few layers with weights of their own, stored as a deploy stores
 * them. Sizes are those of well-known models, divided by a constant: most are small, a few take most of the memory.
 */

import { type OwnedProgram, weightsOf } from "../../gateway/devices/owner.ts";
import type { Store } from "../../gateway/store/store.ts";
import { isDivisible } from "../../kernels/program/analyze.ts";
import { type Program, programFormat } from "../../kernels/program/program.ts";
import {
  expectedOutput,
  layerShader,
  parts,
  rowBytes,
  stateBytes,
  stateWords,
  weightSums,
  workgroups,
} from "./arithmetic.ts";

/** Parameters in millions, of the models that Torpor's evaluation gives to its functions in turn. */
const parameters: Readonly<Record<string, number>> = {
  "EfficientNet-B0": 5.3,
  "DenseNet-169": 14.1,
  "DenseNet-201": 20.0,
  "Inception-v3": 23.8,
  "ResNet-50": 25.6,
  "ResNet-101": 44.5,
  "ResNet-152": 60.2,
  "BERT-base": 109.5,
};
/** What sizes are divided by at scale 1. */
export const shrink = 100;
/** Of a layer's weights, about, at scale 1: small against the slabs in which they lie, as those of real models are. */
const layerAbout = 128 * 1024;

export interface DensityFunction {
  readonly name: string;
  readonly program: OwnedProgram;
  readonly weightBytes: number;
  /** One for each part of the weights. */
  readonly cases: readonly CallCase[];
}

/** Inputs by position, and the one output that is right. */
export interface CallCase {
  readonly inputs: readonly Uint8Array[];
  readonly output: Uint8Array;
}

export interface FunctionOptions {
  readonly count: number;
  /** 1 for the sizes of real models divided by `shrink`. */
  readonly scale: number;
}

/** Makes and stores them, one after the other: their weights are not kept here. */
export async function storeFunctions(
  store: Store,
  { count, scale }: FunctionOptions,
): Promise<readonly DensityFunction[]> {
  const sizes = Object.values(parameters).map((millions) => (millions * 4e6 * scale) / shrink);
  const functions: DensityFunction[] = [];
  for (let i = 0; i < count; i++)
    functions.push(await storeFunction(store, i, sizes[i % sizes.length]!, layerAbout * scale));
  return functions;
}

async function storeFunction(
  store: Store,
  index: number,
  aboutBytes: number,
  aboutLayerBytes: number,
): Promise<DensityFunction> {
  const layerCount = Math.max(1, Math.round(aboutBytes / aboutLayerBytes));
  const layerBytes = Math.max(parts, Math.round(aboutBytes / layerCount / rowBytes)) * rowBytes;
  /** By part, then by layer. */
  const sums: Uint32Array[][] = Array.from({ length: parts }, () => []);
  const puts: Promise<string>[] = [];
  for (let layer = 0; layer < layerCount; layer++) {
    const weights = seededWords(`${index} ${layer}`, layerBytes / 4);
    for (const [part, layers] of sums.entries()) layers.push(weightSums(weights, part));
    puts.push(store.blobs.put(bytesOf(weights)));
  }
  const program = layeredProgram(await Promise.all(puts), layerBytes);
  const digest = await store.programs.put(new TextEncoder().encode(JSON.stringify(program)));
  const cases = sums.map((layers, part) => {
    const input = seededWords(`${index} input ${part}`, stateWords);
    input[0] = part;
    return { inputs: [bytesOf(input)], output: bytesOf(expectedOutput(input, layers)) };
  });
  return {
    name: `f${String(index).padStart(3, "0")}`,
    weightBytes: layerBytes * layerCount,
    cases,
    program: {
      id: digest,
      weights: weightsOf(program),
      isDivisible: isDivisible(program),
      options: { writesBeforeReads: true },
      readJson: () => store.programs.read(digest),
    },
  };
}

/** Each layer reads its weights and the state that the one before left. */
function layeredProgram(digests: readonly string[], layerBytes: number): Program {
  const count = digests.length;
  const spec = (name: string, buffer: number) =>
    ({ name, dataType: "uint32", shape: [stateWords], buffer }) as const;
  return {
    format: programFormat,
    inputs: [spec("state", 0)],
    outputs: [spec("result", count)],
    // The states, from the input to the output, then the weights.
    buffers: [
      { type: "input", sizeBytes: stateBytes },
      ...Array.from({ length: count - 1 }, () => ({ type: "temporary", sizeBytes: stateBytes }) as const),
      { type: "output", sizeBytes: stateBytes },
      ...digests.map((digest) => ({ type: "weight", sizeBytes: layerBytes, digest }) as const),
    ],
    shaders: [layerShader],
    pipelines: [{ shader: 0, entryPoint: "main" }],
    steps: digests.map((_, layer) => ({
      type: "dispatch",
      pipeline: 0,
      bindings: [
        { buffer: count + 1 + layer, sizeBytes: layerBytes, access: "read" } as const,
        { buffer: 0, sizeBytes: stateBytes, access: "read" } as const,
        { buffer: layer, sizeBytes: stateBytes, access: "read" } as const,
        { buffer: layer + 1, sizeBytes: stateBytes, access: "read_write" } as const,
      ].map((bound, binding) => ({ group: 0, binding, offset: 0, ...bound })),
      workgroups: [workgroups, 1, 1],
    })),
    features: [],
  };
}

function seededWords(name: string, count: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  // A round of xorshift a word, begun with FNV-1a of the name: a gigabyte is drawn at a larger scale.
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 0x01000193);
  state |= 1;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return words;
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}
