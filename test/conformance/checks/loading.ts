/** Checks of loading and unloading: what is shared, what is given back. */
import type { DeviceApi } from "../../../runtime/device/api.ts";
import { mapShader, noise, reads, Sketch, words, writes } from "../sketch.ts";
import { type Check, cleared, ensure, ensureEmpty, ensureEqual, ensureFails } from "./check.ts";

/** output = weight + constant, so that all kinds of memory are in use. */
async function addition(weight: Uint8Array, constant: number) {
  const sketch = new Sketch();
  const [a, b] = [await sketch.weight(weight), sketch.constant(words(constant))];
  const code = `
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: u32;
@group(0) @binding(2) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) first: u32) {
  for (var i = first; i < arrayLength(&a); i += 64u) { sum[i] = a[i] + b; }
}`;
  sketch.dispatch({
    code,
    bindings: [reads(a), reads(b), writes(sketch.output("uint32", weight.byteLength / 4))],
  });
  return sketch.finish();
}

async function outputOf(device: DeviceApi, id: string): Promise<Uint8Array> {
  return (await device.run({ program: id, inputs: [] })).outputs[0]!;
}

const plus = (bytes: Uint8Array, constant: number): Uint8Array =>
  new Uint8Array(new Uint32Array(bytes.slice().buffer).map((value) => value + constant).buffer);

const shared = noise(300, 20);
const own = noise(50, 21);

export const loadingChecks: readonly Check[] = [
  {
    name: "a Program is loaded, unloaded and loaded again, and leaves nothing behind",
    programs: async () => [await addition(shared, 5)],
    async run(device, [sum]) {
      const { program } = sum!;
      await ensureEmpty(device);
      for (let round = 0; round < 3; round++) {
        const timing = await device.load("sum", program, cleared);
        ensureEqual("bytes uploaded", timing.uploadedBytes, 1200);
        ensureEqual("output", await outputOf(device, "sum"), plus(shared, 5));
        const memory = await device.memory();
        ensureEqual("loaded Programs and pipelines", [memory.loadedPrograms, memory.pipelines], [1, 1]);
        ensure(
          memory.weightBytes >= 1200 && memory.constantBytes >= 4,
          "weights or constants are not counted",
        );
        const { weightBytes, activationBytes, constantBytes, stagingBytes, totalBytes } = memory;
        ensureEqual("total", totalBytes, weightBytes + activationBytes + constantBytes + stagingBytes);
        ensureEqual("tensors", memory.tensorBytes, 0);
        await device.unload("sum");
        await ensureFails("a run after unload", outputOf(device, "sum"), "NOT_FOUND", /'sum'/);
        await ensureEmpty(device);
      }
      return undefined;
    },
  },
  {
    name: "weights that two Programs have in common are on the device once, until both are unloaded",
    programs: async () => [await addition(shared, 1), await addition(shared, 2), await addition(own, 3)],
    async run(device, [first, second, third]) {
      await device.load("first", first!.program, cleared);
      const before = await device.memory();
      const timing = await device.load("second", second!.program, cleared);
      const after = await device.memory();
      ensureEqual("bytes uploaded for the second", timing.uploadedBytes, 0);
      ensureEqual("weight bytes", after.weightBytes, before.weightBytes);
      ensureEqual("pipelines of two equal shaders", after.pipelines, 1);
      await device.unload("first");
      ensureEqual("output of the one that is left", await outputOf(device, "second"), plus(shared, 2));
      await device.load("third", third!.program, cleared);
      await device.load("first", first!.program, cleared);
      ensureEqual("output of the one loaded again", await outputOf(device, "first"), plus(shared, 1));
      ensureEqual("output of another", await outputOf(device, "third"), plus(own, 3));
      for (const id of ["first", "second", "third"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "concurrent loads of one id are one load",
    programs: async () => [await addition(shared, 5)],
    async run(device, [sum]) {
      const { program } = sum!;
      const timings = await Promise.all([1, 2, 3].map(() => device.load("sum", program, cleared)));
      ensureEqual("timings", timings[1], timings[0]);
      ensureEqual("timings", timings[2], timings[0]);
      ensureEqual("loaded Programs", (await device.memory()).loadedPrograms, 1);
      ensureEqual("timing of a load that was done", await device.load("sum", program, cleared), timings[0]);
      ensureEqual("output", await outputOf(device, "sum"), plus(shared, 5));
      await device.unload("sum");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a run may be asked for while its Program loads, and finishes while it is unloaded",
    programs: async () => [await addition(own, 9)],
    async run(device, [sum]) {
      const loading = device.load("sum", sum!.program, cleared);
      const runs = [outputOf(device, "sum"), outputOf(device, "sum")];
      await loading;
      runs.push(outputOf(device, "sum"));
      const unloading = device.unload("sum");
      for (const run of runs) ensureEqual("output", await run, plus(own, 9));
      await unloading;
      // Loading makes the device take back what a run that outlived its Program left over.
      await device.load("sum", sum!.program, cleared);
      await device.unload("sum");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "unloading what is not loaded does nothing",
    async run(device) {
      await device.unload("never loaded");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "outputs stay what they were when the Program runs again",
    async run(device) {
      const sketch = new Sketch();
      const bindings = [reads(sketch.input("uint32", 2)), writes(sketch.output("uint32", 2))];
      sketch.dispatch({ code: mapShader("x + 1u"), bindings });
      await device.load("next", sketch.finish().program, cleared);
      const inputs = [words(1, 2), words(3, 4), words(5, 6)];
      const outputs: Uint8Array[] = [];
      for (const input of inputs)
        outputs.push((await device.run({ program: "next", inputs: [input] })).outputs[0]!);
      ensureEqual("inputs", inputs.map(String), [words(1, 2), words(3, 4), words(5, 6)].map(String));
      ensureEqual("outputs", outputs.map(String), [words(2, 3), words(4, 5), words(6, 7)].map(String));
      await device.unload("next");
      await ensureEmpty(device);
      return undefined;
    },
  },
];
