/**
 * What a function of the density benchmark computes, twice: as WGSL, and here on the host. Whole numbers, so that both
 * agree to the last bit. Each layer reads a quarter of its weights; which one, the input says, and four inputs read all. A
 * word's place counts as well as its value: weights of another function, or in another order, give another output.
 *
 * A quarter, because software GPUs read slowly: SwiftShader 0.4 GiB/s, while weights come in at 2 to 4. That way swapping
 * in takes about as long as running, as it does for real models on real GPUs.
 */

/** Parts of the weights, one of which a call reads. */
export const parts = 4;
/** Invocations of a layer; each reads every so-manieth vector of four words. */
const invocations = 512;
const workgroupSize = 64;
export const workgroups = invocations / workgroupSize;
/** Of an input, of an output, and of what lies between two layers. */
export const stateWords = invocations * 4;
export const stateBytes = stateWords * 4;
/** What all invocations read at once. Weights of a layer are whole rows. */
export const rowBytes = stateBytes;

const weightFactor = 0x01000193;
const stateFactor = 0x9e3779b1;

export const layerShader = `
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> before: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> after: array<vec4<u32>>;

@compute @workgroup_size(${workgroupSize})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let part = input[0].x % ${parts}u;
  let count = arrayLength(&weights);
  var sum = vec4<u32>(0u);
  for (var i = id.x + part * ${invocations}u; i < count; i += ${parts * invocations}u) {
    sum = sum * ${weightFactor}u + weights[i];
  }
  after[id.x] = (before[(id.x + 1u) % ${invocations}u] ^ sum) * ${stateFactor}u;
}
`;

/** What the loop of the shader makes of one part of a layer's weights, a word a lane. */
export function weightSums(weights: Uint32Array, part: number): Uint32Array {
  const sums = new Uint32Array(stateWords);
  for (let row = part * stateWords; row < weights.length; row += parts * stateWords)
    for (let lane = 0; lane < stateWords; lane++)
      sums[lane] = Math.imul(sums[lane]!, weightFactor) + weights[row + lane]!;
  return sums;
}

/** The output for an input. @param layers `weightSums` of each, of the part that the input names. */
export function expectedOutput(input: Uint32Array, layers: readonly Uint32Array[]): Uint32Array {
  let before = input;
  for (const sums of layers) {
    const state = before;
    before = sums.map((sum, lane) => Math.imul(state[(lane + 4) % stateWords]! ^ sum, stateFactor));
  }
  return before;
}
