/** Checks of Programs side by side: right results at once, and nobody sees another's bytes. */
import { poisonProgram } from "../../../kernels/program/poison.ts";
import type { Program } from "../../../kernels/program/program.ts";
import type { DeviceApi } from "../../../runtime/device/api.ts";
import { mapShader, reads, Sketch, words, writes } from "../sketch.ts";
import { type Check, cleared, ensure, ensureEmpty, ensureEqual } from "./check.ts";

const lanes = 64;

/** output = (input + 1) * factor, by way of a temporary, `count` words long. */
function scaled(factor: number, count: number): Program {
  const sketch = new Sketch();
  const temporary = sketch.temporary(4 * count);
  const [input, output] = [sketch.input("uint32", count), sketch.output("uint32", count)];
  sketch.dispatch({ code: mapShader("x + 1u"), bindings: [reads(input), writes(temporary)] });
  sketch.dispatch({ code: mapShader(`x * ${factor}u`), bindings: [reads(temporary), writes(output)] });
  return sketch.finish().program;
}

/** Fills the first slots of `lanes` lanes with a pattern. */
async function poison(device: DeviceApi, slotBytes: readonly number[], pattern: number): Promise<void> {
  await device.load("poison", poisonProgram(slotBytes, pattern), { writesBeforeReads: true });
  // A first run goes alone: only after it do the others go side by side.
  await device.run({ program: "poison", inputs: [] });
  await Promise.all(Array.from({ length: lanes }, () => device.run({ program: "poison", inputs: [] })));
}

export const sharingChecks: readonly Check[] = [
  {
    name: `${lanes} runs of different Programs at once are each right`,
    async run(device) {
      const factors = [1, 2, 3, 5, 7, 11, 13, 17];
      const ids = factors.map((factor) => `times ${factor}`);
      const countOf = (i: number): number => 50 + 37 * i;
      await Promise.all(
        factors.map((factor, i) => device.load(ids[i]!, scaled(factor, countOf(i)), cleared)),
      );
      for (let round = 0; round < 3; round++) {
        const runs = Array.from({ length: lanes }, async (_, at) => {
          const i = (at * 5 + round) % factors.length;
          const values = Uint32Array.from({ length: countOf(i) }, (_, j) => at * 1000 + j + round);
          const { outputs } = await device.run({ program: ids[i]!, inputs: [new Uint8Array(values.buffer)] });
          const expected = values.map((value) => (value + 1) * factors[i]!);
          ensureEqual(`output of run ${at} in round ${round}`, outputs[0], new Uint8Array(expected.buffer));
        });
        await Promise.all(runs);
      }
      for (const id of ids) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "no Program sees what others left in any lane",
    async run(device) {
      const sketch = new Sketch();
      const temporary = sketch.temporary(400);
      sketch.dispatch({
        code: mapShader("x"),
        bindings: [reads(temporary), writes(sketch.output("uint32", 100))],
      });
      sketch.output("uint8", 399);
      await device.load("curious", sketch.finish().program, cleared);
      await poison(device, [4096, 4096, 4096], 0xdeadbeef);
      await device.run({ program: "curious", inputs: [] });
      const runs = Array.from({ length: lanes }, () => device.run({ program: "curious", inputs: [] }));
      for (const { outputs } of await Promise.all(runs)) {
        ensureEqual("what was never written", outputs[0], new Uint8Array(400));
        ensureEqual("an output that no step writes", outputs[1], new Uint8Array(399));
      }
      for (const id of ["poison", "curious"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "indices beyond a binding reach nothing of what lies behind it",
    async run(device) {
      const sketch = new Sketch();
      const input = sketch.input("uint32", 64);
      const temporary = sketch.temporary(16);
      const output = sketch.output("uint32", 64);
      sketch.copy(input, temporary, 16);
      const code = `
@group(0) @binding(0) var<storage, read> indices: array<u32>;
@group(0) @binding(1) var<storage, read> few: array<u32>;
@group(0) @binding(2) var<storage, read_write> found: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { found[i] = few[indices[i]]; }`;
      sketch.dispatch({ code, bindings: [reads(input), reads(temporary), writes(output)] });
      await device.load("beyond", sketch.finish().program, cleared);
      await poison(device, [65536, 65536, 65536], 0xdeadbeef);
      const indices = words(
        ...Array.from({ length: 64 }, (_, i) => (i < 4 ? i : i < 60 ? i * 250 : 2 ** 32 - i)),
      );
      const { outputs } = await device.run({ program: "beyond", inputs: [indices] });
      // WebGPU gives zero or some element of the binding: those are 0, 1, 2 and 3.
      const found = new Uint32Array(outputs[0]!.slice().buffer);
      ensureEqual("elements inside", String(found.subarray(0, 4)), "0,1,2,3");
      const stranger = found.find((value) => value > 3);
      ensure(stranger === undefined, `a read beyond the binding gave ${stranger}`);
      for (const id of ["poison", "beyond"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
];
