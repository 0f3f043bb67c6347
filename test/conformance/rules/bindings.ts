/** Rules of bindings: ranges, groups, uniforms, weights and constants. */
import { mapShader, noise, reads, Sketch, words, writes } from "../sketch.ts";
import { type Rule, rule } from "./rule.ts";

export const bindingRules: readonly Rule[] = [
  rule("weights and constants are bound at offsets", async () => {
    const sketch = new Sketch();
    const [weightBytes, constantBytes] = [noise(130, 2), noise(66, 3)];
    const weight = await sketch.weight(weightBytes);
    const constant = sketch.constant(constantBytes);
    const outputs = [sketch.output("uint32", 2), sketch.output("uint32", 2)];
    for (const [i, buffer] of [weight, constant].entries()) {
      const source = { buffer, access: "read", offset: 256, sizeBytes: 8 } as const;
      sketch.dispatch({ code: mapShader("x"), bindings: [source, writes(outputs[i]!)] });
    }
    return {
      made: sketch.finish(),
      runs: [{ outputs: [weightBytes.slice(256, 264), constantBytes.slice(256, 264)] }],
    };
  }),

  rule("weights of all sizes lie where their Program reads them", async () => {
    const sketch = new Sketch();
    const blobs = [1, 65, 3, 256, 2, 64, 1000].map((count, seed) => noise(count, 10 + seed));
    const outputs: Uint8Array[] = [];
    for (const blob of blobs) {
      const weight = await sketch.weight(blob);
      sketch.dispatch({
        code: mapShader("x ^ 1u"),
        bindings: [reads(weight), writes(sketch.output("uint32", blob.byteLength / 4))],
      });
      const values = new Uint32Array(blob.slice().buffer);
      outputs.push(new Uint8Array(values.map((value) => value ^ 1).buffer));
    }
    return { made: sketch.finish(), runs: [{ outputs }] };
  }),

  rule("inputs, constants and temporaries are bound as uniforms", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 4);
    const constant = sketch.constant(words(10, 20, 30, 40));
    const temporary = sketch.temporary(16);
    const output = sketch.output("uint32", 4);
    sketch.copy(input, temporary, 12, 0, 4);
    const code = `
@group(0) @binding(0) var<uniform> a: vec4u;
@group(0) @binding(1) var<uniform> b: vec4u;
@group(0) @binding(2) var<uniform> c: vec4u;
@group(0) @binding(3) var<storage, read_write> sum: vec4u;
@compute @workgroup_size(1) fn main() { sum = a + b + 1000u * c; }`;
    const uniforms = [input, constant, temporary].map((buffer) => ({ buffer, access: "uniform" }) as const);
    sketch.dispatch({ code, bindings: [...uniforms, writes(output)] });
    return {
      made: sketch.finish(),
      runs: [
        { inputs: [words(1, 2, 3, 4)], outputs: [words(11, 1022, 2033, 3044)] },
        { inputs: [words(5, 6, 7, 8)], outputs: [words(15, 5026, 6037, 7048)] },
      ],
    };
  }),

  rule("bindings are spread over groups and numbers with gaps", async () => {
    const sketch = new Sketch();
    const [a, b] = [sketch.input("uint32", 1), sketch.input("uint32", 1)];
    const output = sketch.output("uint32", 2);
    const code = `
@group(3) @binding(5) var<storage, read> a: u32;
@group(1) @binding(2) var<storage, read> b: u32;
@group(1) @binding(0) var<storage, read_write> both: vec2u;
@compute @workgroup_size(1) fn main() { both = vec2u(a, b); }`;
    sketch.dispatch({
      code,
      bindings: [
        { buffer: a, access: "read", group: 3, binding: 5 },
        { buffer: b, access: "read", group: 1, binding: 2 },
        { buffer: output, access: "read_write", group: 1, binding: 0 },
      ],
    });
    return { made: sketch.finish(), runs: [{ inputs: [words(6), words(7)], outputs: [words(6, 7)] }] };
  }),

  rule("a shader's `arrayLength` is that of its binding, not of the memory behind it", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 200);
    const output = sketch.output("uint32", 3);
    const code = `
@group(0) @binding(0) var<storage, read> whole: array<u32>;
@group(0) @binding(1) var<storage, read> part: array<u32>;
@group(0) @binding(2) var<storage, read_write> lengths: array<u32>;
@compute @workgroup_size(1) fn main() {
  lengths[0] = arrayLength(&whole);
  lengths[1] = arrayLength(&part);
  lengths[2] = arrayLength(&lengths);
}`;
    const part = { buffer: input, access: "read", offset: 256, sizeBytes: 52 } as const;
    sketch.dispatch({ code, bindings: [reads(input), part, writes(output)] });
    return { made: sketch.finish(), runs: [{ inputs: [noise(200, 4)], outputs: [words(200, 13, 3)] }] };
  }),

  rule("one pipeline runs on other buffers in each dispatch", async () => {
    const sketch = new Sketch();
    const inputs = [1, 2, 3].map(() => sketch.input("uint32", 1));
    for (const input of inputs) {
      const bindings = [reads(input), writes(sketch.output("uint32", 1))];
      sketch.dispatch({ code: mapShader("x * x"), bindings });
    }
    return {
      made: sketch.finish(),
      runs: [{ inputs: [words(2), words(3), words(4)], outputs: [words(4), words(9), words(16)] }],
    };
  }),

  rule("dispatches in a row bind uniforms of other sizes at the same place", async () => {
    const sketch = new Sketch();
    const shader = (count: number): string => `
@group(0) @binding(0) var<uniform> values: array<vec4u, ${count}>;
@group(0) @binding(1) var<storage, read_write> last: vec4u;
@compute @workgroup_size(1) fn main() { last = values[${count - 1}]; }`;
    const outputs: Uint8Array[] = [];
    for (const [seed, count] of [4, 1, 6, 2].entries()) {
      const bytes = noise(4 * count, 30 + seed);
      const uniform = { buffer: sketch.constant(bytes), access: "uniform" } as const;
      sketch.dispatch({ code: shader(count), bindings: [uniform, writes(sketch.output("uint32", 4))] });
      outputs.push(bytes.slice(-16));
    }
    return { made: sketch.finish(), runs: [{ outputs }] };
  }),

  rule("a buffer is written by one dispatch, read by the next and written again", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 3);
    const output = sketch.output("uint32", 3);
    const temporary = sketch.temporary(12);
    sketch.dispatch({ code: mapShader("x + 1u"), bindings: [reads(input), writes(temporary)] });
    sketch.dispatch({ code: mapShader("x * 2u"), bindings: [reads(temporary), writes(output)] });
    sketch.dispatch({ code: mapShader("x * 100u"), bindings: [reads(output), writes(temporary)] });
    sketch.dispatch({ code: mapShader("target_[i] + x"), bindings: [reads(temporary), writes(output)] });
    return { made: sketch.finish(), runs: [{ inputs: [words(0, 1, 2)], outputs: [words(202, 404, 606)] }] };
  }),
];
