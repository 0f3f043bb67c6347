/**
 * The functions of the live benchmark: each wanders through weights of its own, as far as its input says, in one
 * workgroup, which a software GPU computes on one processor. It mostly computes between two reads: processors share their
 * caches and memory, and devices are to share nothing. Whole numbers, so that the host can work out the same.
 */
import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";

export interface LiveFunction {
  readonly name: string;
  readonly index: number;
  readonly weightBytes: number;
}

const lanes = 64;
const laneFactor = 0x9e3779b1;
const stateFactor = 1_664_525;
/** Of arithmetic, for each weight that is read. */
const roundsARead = 64;
/** Inputs of a function that are told apart. */
export const seedsOfEach = 2;

const shader = `
@group(0) @binding(0) var<storage, read> w: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(${lanes})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = arrayLength(&w);
  var state = x[0] + id.x * ${laneFactor}u;
  for (var i = 0u; i < x[1]; i++) {
    for (var round = 0u; round < ${roundsARead}u; round++) { state = state * ${stateFactor}u + (state >> 15u); }
    state = state * ${stateFactor}u + w[(state >> 4u) % count];
  }
  y[id.x] = state;
}
`;

/** Deploys so many functions with so many bytes of weights each. @throws Error with the gateway's words. */
export async function deployFunctions(
  url: string,
  count: number,
  weightBytes: number,
): Promise<readonly LiveFunction[]> {
  const functions = Array.from({ length: count }, (_, index) => ({ name: `f${index}`, index, weightBytes }));
  for (const one of functions) {
    const body = (await bundleOf(one)) as Uint8Array<ArrayBuffer>;
    const put = () => fetch(`${url}/v1/functions/${one.name}`, { method: "PUT", body });
    // A kept connection ends while nobody uses it for seconds, as when a bundle is made on a busy machine.
    const response = await put().catch(put);
    if (!response.ok) throw new Error(`Cannot deploy ${one.name}: ${await response.text()}`);
    await response.arrayBuffer();
  }
  return functions;
}

/** The body of a call. @param steps how far it wanders, by which it takes time. */
export function bodyOf(seed: number, steps: number): string {
  return JSON.stringify({ x: [seed, steps] });
}

/** What a call must give. */
export function expectedOutput(fn: LiveFunction, seed: number, steps: number): Uint32Array {
  const weights = weightsOf(fn);
  return Uint32Array.from({ length: lanes }, (_, lane) => {
    let state = (seed + Math.imul(lane, laneFactor)) >>> 0;
    for (let i = 0; i < steps; i++) {
      for (let round = 0; round < roundsARead; round++)
        state = (Math.imul(state, stateFactor) + (state >>> 15)) >>> 0;
      state = (Math.imul(state, stateFactor) + weights[(state >>> 4) % weights.length]!) >>> 0;
    }
    return state;
  });
}

/** Numerical Recipes' linear congruential generator, spelled out: there are many. */
function weightsOf({ index, weightBytes }: LiveFunction): Uint32Array<ArrayBuffer> {
  const weights = new Uint32Array(weightBytes / 4);
  let state = Math.imul(index + 1, laneFactor) >>> 0;
  for (let i = 0; i < weights.length; i++) {
    state = (Math.imul(state, stateFactor) + 1_013_904_223) >>> 0;
    weights[i] = state;
  }
  return weights;
}

async function bundleOf(fn: LiveFunction): Promise<Uint8Array> {
  const weights = weightsOf(fn);
  const tensor = (length: number) => ({ type: "uint32", shape: [length] });
  const manifest = {
    kind: "wgsl",
    inputs: { x: tensor(2) },
    outputs: { y: tensor(lanes) },
    constants: { w: { ...tensor(weights.length), file: "w.bin" } },
    kernels: { main: { file: "kernel.wgsl" } },
    steps: [{ kernel: "main", bind: { w: "w", x: "x", y: "y" }, workgroups: [1] }],
  };
  const zip = new ZipWriter(new Uint8ArrayWriter(), { level: 0, useWebWorkers: false });
  const encoder = new TextEncoder();
  await zip.add("function.json", new Uint8ArrayReader(encoder.encode(JSON.stringify(manifest))));
  await zip.add("kernel.wgsl", new Uint8ArrayReader(encoder.encode(shader)));
  await zip.add("w.bin", new Uint8ArrayReader(new Uint8Array(weights.buffer)));
  return zip.close();
}
