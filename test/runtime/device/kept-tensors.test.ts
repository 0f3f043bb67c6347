/**
 * Tensors that stay on a real device between runs: chains through them give, bit by bit, what the same chains give
 * through bytes, whatever else runs; and nothing of them is left when they are released.
 */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProgramWithWeights } from "../../../kernels/program/program.ts";
import type { RunInput, RunOutput } from "../../../runtime/device/api.ts";
import type { DeviceService } from "../../../runtime/device/service.ts";
import { mapShader, noise, reads, Sketch, words, writes } from "../../conformance/sketch.ts";
import { testService } from "../../gpu.ts";
import { bytesOf } from "./bytes.ts";

const cleared = { writesBeforeReads: false } as const;
const keep = [true] as const;

/** Kept by those who release them: after each test the device is empty. */
let kept: string[] = [];
let loaded: string[] = [];
let service: DeviceService;

beforeEach(async () => {
  service = await testService();
});

afterEach(async () => {
  await service.releaseTensors(kept);
  for (const id of loaded) await service.unload(id);
  [kept, loaded] = [[], []];
  expect((await service.memory()).totalBytes).toBe(0);
});

async function load(id: string, { program }: ProgramWithWeights): Promise<string> {
  await service.load(id, program, cleared);
  loaded.push(id);
  return id;
}

/** Runs a Program of one output, which stays. */
async function keeping(program: string, ...inputs: readonly RunInput[]): Promise<{ tensor: string }> {
  const [output] = (await service.run({ program, inputs, keep })).outputs;
  return { tensor: noteKept(output) };
}

function noteKept(output: RunOutput | undefined): string {
  if (output === undefined || output instanceof Uint8Array) throw new TypeError("It did not stay");
  kept.push(output.tensor);
  return output.tensor;
}

async function giving(program: string, ...inputs: readonly RunInput[]): Promise<Uint8Array> {
  return (await service.run({ program, inputs })).outputs[0]!;
}

const tensorBytes = async () => (await service.memory()).tensorBytes;

/** output = expression of x, `count` words long. */
function mapping(expression: string, count: number): ProgramWithWeights {
  const sketch = new Sketch();
  const [input, output] = [sketch.input("uint32", count), sketch.output("uint32", count)];
  sketch.dispatch({ code: mapShader(expression), bindings: [reads(input), writes(output)] });
  return sketch.finish();
}

/** The same of bytes; each word of the output is written whole, also the last one. */
function mappingBytes(expression: string, count: number): ProgramWithWeights {
  const sketch = new Sketch();
  const [input, output] = [sketch.input("uint8", count), sketch.output("uint8", count)];
  sketch.dispatch({ code: mapShader(expression), bindings: [reads(input), writes(output)] });
  return sketch.finish();
}

describe("an output that stays", () => {
  test("is the input of the next run as its bytes would be, and is read when it is asked for", async () => {
    await load("double", mapping("x * 2u", 100));
    await load("more", mapping("x + 7u", 100));
    const input = noise(100, 1);
    const a = await keeping("double", input);
    const b = await keeping("more", a);
    const viaBytes = await giving("more", await giving("double", input));
    expect(await service.readTensor(b.tensor)).toEqual(viaBytes);
    expect(await giving("more", a)).toEqual(viaBytes);
    // Reading and using change nothing.
    expect(await service.readTensor(a.tensor)).toEqual(await giving("double", input));
    expect(await tensorBytes()).toBe(800);
  });

  test("has an id of its own and its size, and comes beside outputs that are bytes", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 8);
    for (const count of [2, 8, 4]) sketch.copy(input, sketch.output("uint32", count), 4 * count);
    await load("three", sketch.finish());
    const { outputs } = await service.run({
      program: "three",
      inputs: [noise(8, 2)],
      keep: [false, true],
    });
    expect(outputs).toEqual([
      noise(8, 2).slice(0, 8),
      { tensor: "t1", sizeBytes: 32 },
      noise(8, 2).slice(0, 16),
    ]);
    const again = await service.run({ program: "three", inputs: [noise(8, 3)], keep: [true, true, true] });
    expect(again.outputs.map(noteKept)).toEqual(["t2", "t3", "t4"]);
    noteKept(outputs[1]);
    expect(await service.readTensor("t1")).toEqual(noise(8, 2));
    expect(await service.readTensor("t3")).toEqual(noise(8, 3));
    expect(await service.readTensor("t4")).toEqual(noise(8, 3).slice(0, 16));
  });

  test("without elements takes no memory", async () => {
    const sketch = new Sketch();
    sketch.input("uint32", 0);
    sketch.output("uint32", 0);
    await load("nothing", sketch.finish());
    const a = await keeping("nothing", new Uint8Array());
    expect(await keeping("nothing", a)).toEqual({ tensor: "t2" });
    expect(await service.readTensor("t2")).toEqual(new Uint8Array());
    expect(await tensorBytes()).toBe(0);
  });

  test("of many megabytes is read in pieces", async () => {
    const count = 4_500_001;
    const sketch = new Sketch();
    const [input, output] = [sketch.input("uint32", count), sketch.output("uint32", count)];
    sketch.copy(input, output, 4 * count);
    await load("large", sketch.finish());
    const bytes = noise(count, 3);
    const { tensor } = await keeping("large", bytes);
    expect(Buffer.compare(await service.readTensor(tensor), bytes)).toBe(0);
  });
});

test.each([1, 2, 3, 5, 255, 1023])(
  "of an odd size of %i bytes, what lies behind its end is zero as of bytes",
  async (count) => {
    // Leaves ones in all of the last word.
    await load("ones", mappingBytes("x | 0xffffffffu", count));
    // Shows whole words to whoever looks.
    const sketch = new Sketch();
    const wordCount = Math.ceil(count / 4);
    const [input, output] = [sketch.input("uint8", count), sketch.output("uint32", wordCount)];
    sketch.copy(input, output, 4 * wordCount);
    await load("words", sketch.finish());
    const ones = await keeping("ones", new Uint8Array(count));
    expect(await service.readTensor(ones.tensor)).toEqual(new Uint8Array(count).fill(255));
    const seen = await giving("words", ones);
    expect(seen).toEqual(await giving("words", new Uint8Array(count).fill(255)));
    expect(seen.subarray(count)).toEqual(new Uint8Array(4 * wordCount - count));
  },
);

describe("runs with tensors", () => {
  test("in rounds with others are each right", async () => {
    const count = 70;
    for (let i = 0; i < 4; i++) await load(`f${i}`, mapping(`x * ${2 * i + 3}u + ${i}u`, count));
    const of = (i: number, bytes: Uint8Array) =>
      new Uint8Array(new Uint32Array(bytes.slice().buffer).map((x) => x * (2 * i + 3) + i).buffer);
    for (let i = 0; i < 4; i++) await giving(`f${i}`, noise(count, i));
    for (let round = 0; round < 3; round++) {
      const chains = Array.from({ length: 48 }, async (_, i) => {
        const input = noise(count, 100 * round + i);
        if (i % 3 === 0) {
          expect(await giving(`f${i % 4}`, input)).toEqual(of(i % 4, input));
          return;
        }
        const a = await keeping(`f${i % 4}`, input);
        const b = await keeping(`f${(i + 1) % 4}`, a);
        const expected = of((i + 2) % 4, of((i + 1) % 4, of(i % 4, input)));
        expect(await giving(`f${(i + 2) % 4}`, b)).toEqual(expected);
      });
      await Promise.all(chains);
    }
  });

  test("one tensor is the input of many runs of a round, and of one run twice", async () => {
    const sketch = new Sketch();
    const [a, b, sum] = [sketch.input("uint32", 64), sketch.input("uint32", 64), sketch.output("uint32", 64)];
    const code = `
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { sum[i] = a[i] + b[i]; }`;
    sketch.dispatch({ code, bindings: [reads(a), reads(b), writes(sum)] });
    await load("add", sketch.finish());
    const ones = new Uint8Array(new Uint32Array(64).fill(1).buffer);
    const two = await keeping("add", ones, ones);
    const sums = await Promise.all(Array.from({ length: 20 }, () => giving("add", two, two)));
    for (const bytes of sums)
      expect(new Uint32Array(bytes.slice().buffer)).toEqual(new Uint32Array(64).fill(4));
    expect(new Uint32Array((await giving("add", two, ones)).slice().buffer)).toEqual(
      new Uint32Array(64).fill(3),
    );
  });

  test("take the run that was encoded ahead, and leave the next one right", async () => {
    await load("triple", mapping("x * 3u", 50));
    const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
    const triple = (bytes: Uint8Array) =>
      new Uint8Array(new Uint32Array(bytes.slice().buffer).map((x) => x * 3).buffer);
    for (let i = 0; i < 3; i++) {
      const input = noise(50, i);
      await pause();
      const a = await keeping("triple", input);
      await pause();
      expect(await giving("triple", a)).toEqual(triple(triple(input)));
      await pause();
      expect(await giving("triple", input)).toEqual(triple(input));
    }
  });

  test("go through while weights come in, in parts", async () => {
    const sketch = new Sketch();
    const input = sketch.input("uint32", 64);
    const output = sketch.output("uint32", 64);
    const code = `
@group(0) @binding(0) var<storage, read> start: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {
  var total = sum[lane] * 31u + start[lane];
  for (var i = lane; i < arrayLength(&weight); i += 64u) { total = total * 31u + weight[i]; }
  sum[lane] = total;
}`;
    for (let i = 0; i < 6; i++)
      sketch.dispatch({
        code,
        bindings: [reads(input), reads(await sketch.weight(noise(2 ** 18, 50 + i))), writes(output)],
      });
    const fold = sketch.finish();
    service = await testService(fold.weights);
    await load("fold", fold);
    const start = noise(64, 9);
    const [once] = (await service.run({ program: "fold", inputs: [start] })).outputs;
    const twice = await giving("fold", once!);
    await service.evict("fold");
    const a = await keeping("fold", start);
    await service.evict("fold");
    const b = keeping("fold", a);
    // Accepted, so it has what it reads.
    await service.releaseTensors([a.tensor]);
    expect(await service.readTensor((await b).tensor)).toEqual(twice);
    await service.evict("fold");
    expect(await giving("fold", await keeping("fold", start))).toEqual(twice);
  });
});

describe("released", () => {
  test("a tensor is gone, its memory given back, and its id names nothing", async () => {
    await load("same", mapping("x", 64));
    const a = await keeping("same", noise(64, 1));
    expect(await tensorBytes()).toBe(256);
    await service.releaseTensors([a.tensor, "t99"]);
    await service.releaseTensors([a.tensor]);
    expect(await tensorBytes()).toBe(0);
    const gone = { code: "NOT_FOUND", details: { tensor: a.tensor } };
    await expect(service.run({ program: "same", inputs: [a] })).rejects.toMatchObject(gone);
    await expect(service.readTensor(a.tensor)).rejects.toMatchObject(gone);
    expect((await keeping("same", noise(64, 1))).tensor).not.toBe(a.tensor);
  });

  test("a tensor serves the runs that were accepted before", async () => {
    await load("same", mapping("x", 64));
    const bytes = noise(64, 4);
    const a = await keeping("same", bytes);
    const runs = Array.from({ length: 100 }, () => giving("same", a));
    const read = service.readTensor(a.tensor);
    await service.releaseTensors([a.tensor]);
    for (const output of await Promise.all(runs)) expect(output).toEqual(bytes);
    expect(await read).toEqual(bytes);
    expect(await tensorBytes()).toBe(0);
  });
});

describe("refused", () => {
  test("are tensors of another size, and more to keep than there are outputs", async () => {
    await load("small", mapping("x", 10));
    await load("large", mapping("x", 11));
    const a = await keeping("small", noise(10, 1));
    await expect(service.run({ program: "large", inputs: [a] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "Cannot use input 'input0' as it has 40 bytes: expected 44",
    });
    const two = { program: "small", inputs: [a], keep: [true, true] };
    await expect(service.run(two)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await giving("small", a)).toEqual(noise(10, 1));
  });

  test("is a run whose outputs have no room, which leaves nothing; the others of its round are answered", async () => {
    const count = 2 ** 18;
    // A lane takes two such buffers; three more have room beside it.
    service = await testService(new Map(), 5.25 * 2 ** 20);
    await load("same", mapping("x", count));
    await load("few", mapping("x + 1u", 4));
    await giving("few", words(1, 2, 3, 4));
    const input = noise(count, 1);
    const first = await keeping("same", input);
    const runs = [keeping("same", input), keeping("same", input), keeping("same", first)];
    const few = giving("few", words(1, 2, 3, 4));
    const [second, third, fourth] = await Promise.allSettled(runs);
    expect([second?.status, third?.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(fourth).toMatchObject({
      status: "rejected",
      reason: { code: "OUT_OF_MEMORY", details: { neededBytes: expect.any(Number) } },
    });
    expect(await few).toEqual(words(2, 3, 4, 5));
    expect(await tensorBytes()).toBe(3 * 4 * count);
    await service.releaseTensors(kept);
    expect(await service.readTensor((await keeping("same", input)).tensor)).toEqual(input);
  });

  test("is what a Program that the device refuses would have left", async () => {
    const sketch = new Sketch();
    const [input, output] = [sketch.input("uint32", 64), sketch.output("uint32", 64)];
    // Writable and read-only in one dispatch.
    sketch.dispatch({ code: mapShader("x"), bindings: [reads(output), writes(output)] });
    sketch.copy(input, output, 256);
    await load("wrong", sketch.finish());
    await expect(keeping("wrong", noise(64, 1))).rejects.toMatchObject({ code: "INVALID_PROGRAM" });
    expect(await tensorBytes()).toBe(0);
  });
});

test("random chains give what a model in host memory gives", async () => {
  const count = 33;
  const factors = [1, 3, 5];
  for (const factor of factors) {
    const sketch = new Sketch();
    const [x, y, output] = [
      sketch.input("uint32", count),
      sketch.input("uint32", count),
      sketch.output("uint32", count),
    ];
    const code = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
  if (i < arrayLength(&out)) { out[i] = ${factor}u * x[i] + y[i]; }
}`;
    sketch.dispatch({ code, bindings: [reads(x), reads(y), writes(output)] });
    await load(`axpy${factor}`, sketch.finish());
  }
  const step = fc.record({
    factor: fc.constantFrom(...factors),
    x: fc.nat(),
    y: fc.nat(),
    stays: fc.boolean(),
    /** Not waited for before the next steps begin. */
    isBeside: fc.boolean(),
    releases: fc.option(fc.nat(), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const values: { readonly model: Uint32Array; readonly input: RunInput }[] = [];
      const open: Promise<void>[] = [];
      for (let i = 0; i < 2; i++) {
        const bytes = noise(count, i);
        values.push({ model: new Uint32Array(bytes.slice().buffer), input: bytes });
      }
      const live = new Set<string>();
      for (const { factor, x, y, stays, isBeside, releases } of steps) {
        const [a, b] = [values[x % values.length]!, values[y % values.length]!];
        const model = a.model.map((value, i) => Math.imul(factor, value) + b.model[i]!);
        const inputs = [a.input, b.input];
        const run = service.run({ program: `axpy${factor}`, inputs, keep: [stays] }).then(({ outputs }) => {
          const [output] = outputs;
          expect(output instanceof Uint8Array).toBe(!stays);
          if (output instanceof Uint8Array) expect(new Uint32Array(output.slice().buffer)).toEqual(model);
          else live.add(output!.tensor);
          values.push({ model, input: output! });
        });
        if (isBeside) open.push(run);
        else await run;
        const released = releases === undefined ? undefined : values[releases % values.length]!;
        if (released !== undefined && !(released.input instanceof Uint8Array)) {
          await service.releaseTensors([released.input.tensor]);
          live.delete(released.input.tensor);
          values.splice(values.indexOf(released), 1);
        }
      }
      await Promise.all(open);
      expect(await tensorBytes()).toBe(live.size * 4 * count);
      for (const { model, input } of values) {
        const bytes = input instanceof Uint8Array ? input : await service.readTensor(input.tensor);
        expect(new Uint32Array(bytesOf(bytes).slice().buffer)).toEqual(model);
      }
      await service.releaseTensors([...live]);
      expect(await tensorBytes()).toBe(0);
    }),
    { numRuns: 60 },
  );
});
