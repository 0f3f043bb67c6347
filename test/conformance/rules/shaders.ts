/** Rules of shaders: overrides, entry points, workgroup memory, atomics, integers. */
import { mapShader, reads, Sketch, words, writes } from "../sketch.ts";
import { type Rule, rule } from "./rule.ts";

export const shaderRules: readonly Rule[] = [
  rule("`override` declarations take values by name and by id, and keep their own without", async () => {
    const sketch = new Sketch();
    const code = `
override scale: u32 = 2u;
@id(7) override shift: i32;
override isNegative: bool = false;
@group(0) @binding(0) var<storage, read_write> result: i32;
@compute @workgroup_size(1) fn main() {
  let value = i32(scale) * 10 + shift;
  result = select(value, -value, isNegative);
}`;
    const cases = [{ 7: 3 }, { scale: 5, 7: -4 }, { scale: 1, 7: 0, isNegative: 1 }];
    for (const constants of cases)
      sketch.dispatch({ code, constants, bindings: [writes(sketch.output("int32", 1))] });
    return { made: sketch.finish(), runs: [{ outputs: [words(23), words(46), words(-10)] }] };
  }),

  rule("one module has several entry points, each with bindings of its own", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 1);
    const outputs = [sketch.output("uint32", 1), sketch.output("uint32", 1)];
    const code = `
@group(0) @binding(0) var<storage, read> source: u32;
@group(0) @binding(1) var<storage, read_write> result: u32;
@compute @workgroup_size(1) fn double() { result = source * 2u; }
@compute @workgroup_size(1) fn seven() { result = 7u; }`;
    sketch.dispatch({ code, entryPoint: "double", bindings: [reads(input), writes(outputs[0]!)] });
    const only = { buffer: outputs[1]!, access: "read_write", binding: 1 } as const;
    sketch.dispatch({ code, entryPoint: "seven", bindings: [only] });
    return { made: sketch.finish(), runs: [{ inputs: [words(21)], outputs: [words(42), words(7)] }] };
  }),

  rule("workgroup memory begins as zeros and is shared across barriers", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 64);
    const outputs = [sketch.output("uint32", 1), sketch.output("uint32", 1)];
    const code = `
var<workgroup> shared_: array<u32, 1024>;
@group(0) @binding(0) var<storage, read> values: array<u32, 64>;
@group(0) @binding(1) var<storage, read_write> result: u32;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
  for (var j = i; j < 1024u; j += 64u) { shared_[j] += values[i]; }
  workgroupBarrier();
  for (var half = 512u; half > 0u; half /= 2u) {
    for (var j = i; j < half; j += 64u) { shared_[j] += shared_[j + half]; }
    workgroupBarrier();
  }
  if (i == 0u) { result = shared_[0]; }
}`;
    for (const output of outputs) sketch.dispatch({ code, bindings: [reads(input), writes(output)] });
    const given = words(...Array.from({ length: 64 }, (_, i) => i + 1));
    const sum = words(16 * ((64 * 65) / 2));
    return { made: sketch.finish(), runs: [{ inputs: [given], outputs: [sum, sum] }] };
  }),

  rule("atomics count", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 640);
    const output = sketch.output("uint32", 4);
    const code = `
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>, 4>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  atomicAdd(&counts[values[id.x] % 4u], 1u);
}`;
    sketch.dispatch({ code, bindings: [reads(input), writes(output)], workgroups: [10, 1, 1] });
    const given = Array.from({ length: 640 }, (_, i) => (i < 100 ? 2 : i < 300 ? 4 : i));
    const counts = [0, 1, 2, 3].map((kind) => given.filter((value) => value % 4 === kind).length);
    return { made: sketch.finish(), runs: [{ inputs: [words(...given)], outputs: [words(...counts)] }] };
  }),

  rule("integers wrap, shift and divide as WGSL says", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 6);
    const output = sketch.output("uint32", 6);
    const code = mapShader("((x * 0x9e3779b1u) >> 3u) ^ (x / 7u) ^ u32(i32(x) >> 31u) ^ countOneBits(x)");
    sketch.dispatch({ code, bindings: [reads(input), writes(output)] });
    const given = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 123456789];
    const ones = (x: number): number => x.toString(2).replaceAll("0", "").length;
    const wanted = given.map(
      (x) => (Math.imul(x, 0x9e3779b1) >>> 3) ^ Math.floor(x / 7) ^ ((x | 0) >> 31) ^ ones(x),
    );
    return { made: sketch.finish(), runs: [{ inputs: [words(...given)], outputs: [words(...wanted)] }] };
  }),
];
