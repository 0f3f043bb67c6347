/** Rules of steps: copies, clears, repeats, dispatches and their order. */
import { copyStep, mapShader, noise, reads, Sketch, words, writes } from "../sketch.ts";
import { type Rule, rule } from "./rule.ts";

export const stepRules: readonly Rule[] = [
  rule("copies go from inputs, temporaries, weights and constants, at offsets", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 4);
    const output = sketch.output("uint32", 8);
    const temporary = sketch.temporary(12);
    const weight = await sketch.weight(words(70, 71, 72));
    const constant = sketch.constant(words(80, 81, 82));
    sketch.copy(input, temporary, 8, 4, 4);
    sketch.copy(temporary, output, 12, 0, 0);
    sketch.copy(weight, output, 8, 4, 12);
    sketch.copy(constant, output, 4, 8, 20);
    sketch.copy(input, output, 8, 8, 24);
    return {
      made: sketch.finish(),
      runs: [
        { inputs: [words(1, 2, 3, 4)], outputs: [words(0, 2, 3, 71, 72, 82, 3, 4)] },
        { inputs: [words(5, 6, 7, 8)], outputs: [words(0, 6, 7, 71, 72, 82, 7, 8)] },
      ],
    };
  }),

  rule("clears write zeros into a whole buffer or a range of it, and nowhere else", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 6);
    const output = sketch.output("uint32", 6);
    const temporary = sketch.temporary(24);
    const other = sketch.output("uint32", 6);
    sketch.copy(input, output, 24);
    sketch.clear(output, 8, 8);
    sketch.copy(input, temporary, 24);
    sketch.clear(temporary, 0, 24);
    sketch.copy(temporary, other, 16);
    sketch.copy(input, other, 8, 0, 16);
    return {
      made: sketch.finish(),
      runs: [
        { inputs: [words(1, 2, 3, 4, 5, 6)], outputs: [words(1, 2, 0, 0, 5, 6), words(0, 0, 0, 0, 1, 2)] },
      ],
    };
  }),

  rule("a repeat runs its steps in order, as often as it says", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 3);
    const output = sketch.output("uint32", 3);
    const state = sketch.temporary(12);
    const next = sketch.temporary(12);
    sketch.copy(input, state, 12);
    sketch.repeat(5, [
      sketch.dispatchStep({ code: mapShader("x * 3u + 1u"), bindings: [reads(state), writes(next)] }),
      copyStep(next, state, 12),
    ]);
    sketch.copy(state, output, 12);
    const five = (x: number): number => (x * 243 + 121) >>> 0;
    return {
      made: sketch.finish(),
      runs: [
        { inputs: [words(0, 1, 2)], outputs: [words(five(0), five(1), five(2))] },
        { inputs: [words(10, 20, 30)], outputs: [words(five(10), five(20), five(30))] },
      ],
    };
  }),

  rule("a repeat of no rounds does nothing", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 2);
    const output = sketch.output("uint32", 2);
    sketch.copy(input, output, 8);
    sketch.repeat(0, [
      { type: "clear", buffer: output, offset: 0, sizeBytes: 8 },
      sketch.dispatchStep({ code: mapShader("x + 1u"), bindings: [reads(input), writes(output)] }),
    ]);
    return { made: sketch.finish(), runs: [{ inputs: [words(7, 8)], outputs: [words(7, 8)] }] };
  }),

  rule("what a repeat writes lives through all of its rounds, and is cleared once", async () => {
    const sketch = new Sketch();
    const output = sketch.output("uint32", 1);
    const total = sketch.temporary(4);
    const code = `
@group(0) @binding(0) var<storage, read_write> total: array<u32>;
@compute @workgroup_size(1) fn main() { total[0] += 3u; }`;
    sketch.repeat(7, [sketch.dispatchStep({ code, bindings: [writes(total)] })]);
    sketch.copy(total, output, 4);
    return { made: sketch.finish(), runs: [{ outputs: [words(21)] }, { outputs: [words(21)] }] };
  }),

  rule("each dispatch sees what those before it wrote, across copies too", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 500);
    const output = sketch.output("uint32", 500);
    const [even, odd] = [sketch.temporary(2000), sketch.temporary(2000)];
    sketch.copy(input, even, 2000);
    for (let i = 0; i < 30; i++) {
      const [from, to] = i % 2 === 0 ? [even, odd] : [odd, even];
      // Each element from its neighbour, so that an order other than this one shows.
      const code = mapShader("x + source[(i + 1u) % arrayLength(&source)]");
      sketch.dispatch({ code, bindings: [reads(from), writes(to)] });
      if (i % 10 === 9) sketch.copy(from, to, 4, 0, 4);
    }
    sketch.copy(even, output, 2000);
    const given = noise(500, 1);
    let values = new Uint32Array(given.slice().buffer);
    let others = new Uint32Array(500);
    for (let i = 0; i < 30; i++) {
      const from = values;
      others = from.map((value, at) => value + from[(at + 1) % 500]!);
      if (i % 10 === 9) others[1] = from[0]!;
      [values, others] = [others, from];
    }
    return { made: sketch.finish(), runs: [{ inputs: [given], outputs: [new Uint8Array(values.buffer)] }] };
  }),

  rule("workgroups go in three dimensions", async () => {
    const sketch = new Sketch();
    const output = sketch.output("uint32", 3 * 4 * 5);
    const code = `
@group(0) @binding(0) var<storage, read_write> places: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) all: vec3u) {
  places[id.x + all.x * (id.y + all.y * id.z)] = 1u + id.x + 16u * id.y + 256u * id.z;
}`;
    sketch.dispatch({ code, bindings: [writes(output)], workgroups: [3, 4, 5] });
    const expected = Array.from(
      { length: 60 },
      (_, i) => 1 + (i % 3) + 16 * (Math.floor(i / 3) % 4) + 256 * Math.floor(i / 12),
    );
    return { made: sketch.finish(), runs: [{ outputs: [words(...expected)] }] };
  }),

  rule("a dispatch of no workgroups does nothing", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 2);
    const output = sketch.output("uint32", 2);
    sketch.copy(input, output, 8);
    const bindings = [reads(input), writes(output)];
    sketch.dispatch({ code: mapShader("x + 1u"), bindings, workgroups: [0, 1, 1] });
    sketch.dispatch({ code: mapShader("x + 1u"), bindings, workgroups: [1, 1, 0] });
    return { made: sketch.finish(), runs: [{ inputs: [words(3, 4)], outputs: [words(3, 4)] }] };
  }),
];
