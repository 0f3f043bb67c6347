/**
 * Rules of activation memory: what shares it, what is zero, and sizes that are no whole words.
 * The suite fills the memory with garbage before each of these runs.
 */
import { planSlots } from "../../../kernels/program/analyze.ts";
import { mapShader, reads, Sketch, words, writes } from "../sketch.ts";
import { type Rule, rule } from "./rule.ts";

export const memoryRules: readonly Rule[] = [
  rule("temporaries that do not live at the same time share memory and keep their values", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 100);
    const output = sketch.output("uint32", 100);
    let from = input;
    for (let i = 0; i < 6; i++) {
      const to = i === 5 ? output : sketch.temporary(400);
      sketch.dispatch({ code: mapShader(`x * 5u + ${i}u`), bindings: [reads(from), writes(to)] });
      from = to;
    }
    const made = sketch.finish();
    const slots = planSlots(made.program).slotBytes.length;
    if (slots !== 2) throw new Error(`Cannot show that memory is shared: 7 buffers are in ${slots} slots`);
    const given = Uint32Array.from({ length: 100 }, (_, i) => i * 7);
    const wanted = given.map((value) => {
      let x = value;
      for (let i = 0; i < 6; i++) x = x * 5 + i;
      return x;
    });
    return {
      made,
      runs: [{ inputs: [new Uint8Array(given.buffer)], outputs: [new Uint8Array(wanted.buffer)] }],
    };
  }),

  rule("a temporary that is read without having been written reads zeros", async () => {
    const sketch = new Sketch();
    const output = sketch.output("uint32", 64);
    const never = sketch.temporary(256);
    sketch.dispatch({ code: mapShader("x + 7u"), bindings: [reads(never), writes(output)] });
    return {
      made: sketch.finish(),
      runs: [
        { outputs: [words(...Array<number>(64).fill(7))] },
        { outputs: [words(...Array<number>(64).fill(7))] },
      ],
    };
  }),

  rule("what a copy leaves of a temporary reads zeros", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 2);
    const output = sketch.output("uint32", 6);
    const partly = sketch.temporary(24);
    sketch.copy(input, partly, 8, 0, 8);
    sketch.copy(partly, output, 24);
    return { made: sketch.finish(), runs: [{ inputs: [words(1, 2)], outputs: [words(0, 0, 1, 2, 0, 0)] }] };
  }),

  rule(
    "outputs that no step writes are zeros, and so is the rest of one that is written in part",
    async () => {
      const sketch = new Sketch();
      const input = sketch.input("uint32", 1);
      sketch.output("float32", 5);
      const partly = sketch.output("uint32", 4);
      sketch.copy(input, partly, 4, 0, 8);
      return {
        made: sketch.finish(),
        runs: [{ inputs: [words(9)], outputs: [words(0, 0, 0, 0, 0), words(0, 0, 9, 0)] }],
      };
    },
  ),

  rule("a Program without inputs and steps gives zeros", async () => {
    const sketch = new Sketch();
    sketch.output("int32", 3);
    return { made: sketch.finish(), runs: [{ outputs: [words(0, 0, 0)] }, { outputs: [words(0, 0, 0)] }] };
  }),

  rule("tensors whose bytes are no whole words come and go whole", async () => {
    const sketch = new Sketch();
    const bytes = [sketch.input("uint8", 5), sketch.input("bool", 1), sketch.input("float16", 3)] as const;
    const more = sketch.input("int8", 7);
    for (const [i, sizeBytes] of [8, 4, 8].entries()) {
      const output = [sketch.output("uint8", 5), sketch.output("bool", 1), sketch.output("float16", 3)];
      sketch.copy(bytes[i]!, output[i]!, sizeBytes);
    }
    sketch.copy(more, sketch.output("int8", 7), 8);
    const given = [Uint8Array.of(1, 2, 3, 4, 5), Uint8Array.of(1), Uint8Array.of(6, 5, 4, 3, 2, 1)];
    const last = Uint8Array.of(255, 254, 253, 252, 251, 250, 249);
    const zeros = [new Uint8Array(5), new Uint8Array(1), new Uint8Array(6)];
    const outputs = [0, 1, 2].flatMap((i) => zeros.map((zero, j) => (i === j ? given[i]! : zero)));
    return { made: sketch.finish(), runs: [{ inputs: [...given, last], outputs: [...outputs, last] }] };
  }),

  rule("a shader sees zeros behind an input whose bytes are no whole words", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint8", 5);
    const output = sketch.output("uint32", 2);
    sketch.dispatch({ code: mapShader("x"), bindings: [reads(input), writes(output)] });
    return {
      made: sketch.finish(),
      runs: [
        { inputs: [Uint8Array.of(1, 2, 3, 4, 5)], outputs: [words(0x04030201, 5)] },
        { inputs: [Uint8Array.of(255, 255, 255, 255, 255)], outputs: [words(0xffffffff, 0xff)] },
      ],
    };
  }),

  rule("tensors without elements are taken and given beside others", async () => {
    const sketch = new Sketch();
    sketch.input("float32", 0);
    const input = sketch.input("uint32", 2);
    sketch.output("uint8", 3, 0);
    const output = sketch.output("uint32", 2);
    sketch.output("float32", 0);
    sketch.copy(input, output, 8);
    const none = new Uint8Array();
    return {
      made: sketch.finish(),
      runs: [{ inputs: [none, words(4, 2)], outputs: [none, words(4, 2), none] }],
    };
  }),

  rule("a Program all of whose tensors are without elements runs", async () => {
    const sketch = new Sketch();
    sketch.input("float32", 2, 0);
    sketch.output("float32", 0, 2);
    const none = new Uint8Array();
    return { made: sketch.finish(), runs: [{ inputs: [none], outputs: [none] }] };
  }),
];
