/** Checks of what a device refuses: with which code, in which words, and that nothing stays behind. */
import type { Program } from "../../../kernels/program/program.ts";
import type { DeviceApi } from "../../../runtime/device/api.ts";
import { mapShader, noise, reads, Sketch, words, writes } from "../sketch.ts";
import { budgetBytes, type Check, cleared, ensure, ensureEmpty, ensureEqual, ensureFails } from "./check.ts";

/** output = expression of the input, four words long. */
function mapped(code: string, access: "read" | "read_write" = "read_write"): Program {
  const sketch = new Sketch();
  const target = { buffer: sketch.output("uint32", 4), access } as const;
  sketch.dispatch({ code, bindings: [reads(sketch.input("uint32", 4)), target] });
  return sketch.finish().program;
}

async function runOnce(
  device: DeviceApi,
  program: Program,
  inputs: readonly Uint8Array[],
): Promise<Uint8Array> {
  await device.load("once", program, cleared);
  try {
    return (await device.run({ program: "once", inputs })).outputs[0]!;
  } finally {
    await device.unload("once");
  }
}

/** Sums `count` inputs, each in a binding of its own. */
function manyBindings(count: number): Program {
  const sketch = new Sketch();
  const inputs = Array.from({ length: count - 1 }, () => sketch.input("uint32", 1));
  const declarations = inputs.map((_, i) => `@group(0) @binding(${i}) var<storage, read> v${i}: u32;`);
  const code = `${declarations.join("\n")}
@group(0) @binding(${inputs.length}) var<storage, read_write> sum: u32;
@compute @workgroup_size(1) fn main() { sum = ${inputs.map((_, i) => `v${i}`).join(" + ")}; }`;
  sketch.dispatch({ code, bindings: [...inputs.map(reads), writes(sketch.output("uint32", 1))] });
  return sketch.finish().program;
}

const good = mapShader("x + 1u");
/** Line 4 is wrong. */
const bad = good
  .split("\n")
  .toSpliced(3, 1, "fn wrong() -> u32 { return nowhere; }", "@compute @workgroup_size(64)")
  .join("\n");

export const refusalChecks: readonly Check[] = [
  {
    name: "a shader that does not compile is named by line, and its id can be used again",
    async run(device) {
      await ensureFails(
        "loading",
        device.load("broken", mapped(bad), cleared),
        "INVALID_SHADER",
        /\b4:\d+.*nowhere/s,
      );
      await ensureFails("running", device.run({ program: "broken", inputs: [] }), "NOT_FOUND");
      await ensureEmpty(device);
      await device.load("broken", mapped(good), cleared);
      const { outputs } = await device.run({ program: "broken", inputs: [words(1, 2, 3, 4)] });
      ensureEqual("output", outputs[0], words(2, 3, 4, 5));
      await device.unload("broken");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "`checkShader()` finds errors with their place, and none where there is none",
    async run(device) {
      ensureEqual("errors of a good shader", await device.checkShader(good), []);
      const errors = await device.checkShader(bad);
      const [first] = errors;
      ensure(first !== undefined, "a bad shader has no errors");
      ensureEqual("line", first.line, 4);
      ensure(first.column > 0 && first.message.includes("nowhere"), `the error is ${JSON.stringify(first)}`);
      ensureEqual("errors of a good shader", await device.checkShader(good), []);
      return undefined;
    },
  },
  {
    name: "an entry point that is not there, and a binding of the wrong kind, are errors of the shader",
    async run(device) {
      const missing = mapped(good.replace("fn main", "fn other"));
      await ensureFails("loading", device.load("none", missing, cleared), "INVALID_SHADER", /'main'/);
      await ensureFails(
        "loading",
        device.load("kind", mapped(good, "read"), cleared),
        "INVALID_SHADER",
        /'main'/,
      );
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a Program that the device refuses when it runs says so, and hurts no other",
    async run(device) {
      // The shader wants 64 bytes where the Program binds 16: WebGPU finds that at the dispatch.
      const tooSmall = mapped(good.replace("source: array<u32>", "source: array<u32, 16>"));
      await device.load("small", tooSmall, cleared);
      await device.load("good", mapped(good), cleared);
      const runGood = () => device.run({ program: "good", inputs: [words(1, 2, 3, 4)] });
      const runSmall = () => device.run({ program: "small", inputs: [words(1, 2, 3, 4)] });
      for (let round = 0; round < 3; round++) {
        const [before, refused, after] = [runGood(), runSmall(), runGood()];
        await ensureFails("running", refused, "INVALID_PROGRAM");
        for (const run of [before, after]) ensureEqual("output", (await run).outputs[0], words(2, 3, 4, 5));
      }
      for (const id of ["small", "good"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "more bindings than the device allows are refused, as many as it allows are not",
    async run(device) {
      const allowed = (await device.describe()).limits.maxStorageBuffersPerShaderStage!;
      const count = Math.min(allowed, 12);
      const inputs = Array.from({ length: count - 1 }, (_, i) => words(i));
      const sum = await runOnce(device, manyBindings(count), inputs);
      ensureEqual("sum", sum, words(((count - 1) * (count - 2)) / 2));
      if (allowed > 1000) return `this device allows ${allowed} bindings`;
      const refusal = device.load("many", manyBindings(allowed + 1), cleared);
      const pattern = new RegExp(`maxStorageBuffersPerShaderStage ${allowed + 1}.*allows ${allowed}`);
      await ensureFails("loading", refusal, "LIMIT_EXCEEDED", pattern);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a buffer larger than the device allows is refused",
    async run(device) {
      const { limits } = await device.describe();
      const tooLarge = Math.ceil((limits.maxBufferSize! + 1) / 4) * 4;
      const sketch = new Sketch();
      sketch.clear(sketch.temporary(tooLarge), 0, 4);
      const load = device.load("large", sketch.finish().program, cleared);
      await ensureFails("loading", load, "LIMIT_EXCEEDED", new RegExp(`maxBufferSize ${tooLarge}`));
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "more workgroups than the device allows are refused",
    async run(device) {
      const allowed = (await device.describe()).limits.maxComputeWorkgroupsPerDimension!;
      const sketch = new Sketch();
      const bindings = [reads(sketch.input("uint32", 4)), writes(sketch.output("uint32", 4))];
      sketch.dispatch({ code: good, bindings, workgroups: [1, allowed + 1, 1] });
      const load = device.load("wide", sketch.finish().program, cleared);
      await ensureFails("loading", load, "LIMIT_EXCEEDED", /maxComputeWorkgroupsPerDimension/);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "what does not fit the budget is refused, and what fits runs afterwards",
    async run(device) {
      const { limits } = await device.describe();
      if (limits.maxBufferSize! <= budgetBytes)
        return `buffers of this device end at ${limits.maxBufferSize} bytes`;
      const large = new Sketch();
      large.clear(large.temporary(budgetBytes + 4), 0, 4);
      await device.load("large", large.finish().program, cleared);
      await ensureFails("running", device.run({ program: "large", inputs: [] }), "OUT_OF_MEMORY", /budget/);
      const heavy = new Sketch();
      const weight = { type: "weight", sizeBytes: budgetBytes + 4, digest: "0".repeat(64) } as const;
      const program = {
        ...heavy.finish().program,
        buffers: [weight, { type: "temporary", sizeBytes: 4 } as const],
      };
      const copy = { type: "copy", from: 0, fromOffset: 0, to: 1, toOffset: 0, sizeBytes: 4 } as const;
      const load = device.load("heavy", { ...program, steps: [copy] }, cleared);
      await ensureFails("loading", load, "OUT_OF_MEMORY", /budget/);
      ensureEqual("output", await runOnce(device, mapped(good), [words(1, 2, 3, 4)]), words(2, 3, 4, 5));
      await device.unload("large");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a feature that the device lacks is refused, one that it has is not",
    async run(device) {
      const { features } = await device.describe();
      const sketch = new Sketch();
      sketch.feature("no-such-feature");
      sketch.output("uint32", 1);
      const load = device.load("feature", sketch.finish().program, cleared);
      await ensureFails("loading", load, "LIMIT_EXCEEDED", /'no-such-feature'/);
      await ensureEmpty(device);
      if (!features.includes("shader-f16")) return "this device has no shader-f16";
      const half = new Sketch();
      half.feature("shader-f16");
      const code = `enable f16;
@group(0) @binding(0) var<storage, read> source: vec2h;
@group(0) @binding(1) var<storage, read_write> result: vec2h;
@compute @workgroup_size(1) fn main() { result = source * 2h; }`;
      half.dispatch({ code, bindings: [reads(half.input("float16", 2)), writes(half.output("float16", 2))] });
      // 1 and -0.5, twice as much.
      const output = await runOnce(device, half.finish().program, [words(0xb8003c00)]);
      ensureEqual("output", output, words(0xbc004000));
      return undefined;
    },
  },
  {
    name: "calls with wrong inputs or ids are refused",
    async run(device) {
      await ensureFails("an unknown Program", device.run({ program: "x", inputs: [] }), "NOT_FOUND", /'x'/);
      await device.load("good", mapped(good), cleared);
      const run = (...inputs: Uint8Array[]) => device.run({ program: "good", inputs });
      await ensureFails("no input", run(), "INVALID_ARGUMENT", /0 inputs.*takes 1/);
      await ensureFails("two inputs", run(words(1), words(2)), "INVALID_ARGUMENT", /2 inputs/);
      const pattern = /'input0'.*has 15 bytes: expected 16/;
      await ensureFails("a short input", run(new Uint8Array(15)), "INVALID_ARGUMENT", pattern);
      await ensureFails("a long input", run(new Uint8Array(20)), "INVALID_ARGUMENT", /has 20 bytes/);
      ensureEqual("output", (await run(words(1, 2, 3, 4))).outputs[0], words(2, 3, 4, 5));
      await device.unload("good");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a Program that contradicts itself is refused with the path of what is wrong",
    async run(device) {
      const program = mapped(good);
      const [step] = program.steps;
      ensure(step?.type === "dispatch", "the Program has no dispatch");
      const bindings = step.bindings.map((binding, i) => (i === 1 ? { ...binding, buffer: 9 } : binding));
      const load = device.load("bad", { ...program, steps: [{ ...step, bindings }] }, cleared);
      await ensureFails("loading", load, "INVALID_PROGRAM", /steps\[0\]\.bindings\[1\]/);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a weight that is nowhere, or is shorter than the Program says, fails the load and nothing else",
    programs: async () => {
      const sketch = new Sketch();
      sketch.copy(await sketch.weight(noise(40, 22)), sketch.output("uint32", 40), 160);
      return [sketch.finish()];
    },
    async run(device, [made]) {
      const { program } = made!;
      const withWeight = (change: { readonly digest?: string; readonly sizeBytes?: number }): Program => ({
        ...program,
        buffers: program.buffers.map((buffer) =>
          buffer.type === "weight" ? { ...buffer, ...change } : buffer,
        ),
      });
      const missing = device.load("missing", withWeight({ digest: "ab".repeat(32) }), cleared);
      await ensureFails("a missing weight", missing, "CORRUPT_DATA");
      await ensureEmpty(device);
      const short = device.load("short", withWeight({ sizeBytes: 164 }), cleared);
      await ensureFails("a short weight", short, "CORRUPT_DATA");
      await ensureEmpty(device);
      ensureEqual("output", await runOnce(device, program, []), noise(40, 22));
      await ensureEmpty(device);
      return undefined;
    },
  },
];
