/**
 * A Program that fills activation slots with a pattern. Run before another Program in the same lane, it shows
 * whether that one reads what it never wrote: then its outputs change with the pattern.
 */
import { type Program, programFormat, type Step } from "./program.ts";

const workgroupSize = 256;
const maxWorkgroups = 4096;

/** @param slotBytes sizes in the order of `planSlots`, so that slot `i` here is slot `i` of the Program to be tested. */
export function poisonProgram(slotBytes: readonly number[], pattern: number): Program {
  const shader = `
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(${workgroupSize})
fn fill(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&words); i += groups.x * ${workgroupSize}u) {
    words[i] = ${pattern >>> 0}u;
  }
}`;
  const fill = (buffer: number, sizeBytes: number): Step => ({
    type: "dispatch",
    pipeline: 0,
    bindings: [{ group: 0, binding: 0, buffer, offset: 0, sizeBytes, access: "read_write" }],
    workgroups: [Math.min(maxWorkgroups, Math.ceil(sizeBytes / 4 / workgroupSize)), 1, 1],
  });
  const once = slotBytes.map((sizeBytes, buffer) => fill(buffer, sizeBytes));
  return {
    format: programFormat,
    inputs: [],
    outputs: [],
    buffers: slotBytes.map((sizeBytes) => ({ type: "temporary", sizeBytes })),
    shaders: [shader],
    pipelines: [{ shader: 0, entryPoint: "fill" }],
    // Twice, so that all buffers are alive at the same time and none can share a slot.
    steps: [...once, ...once],
    features: [],
  };
}
