/**
 * More weights than the device may hold: Programs come and go on a real device with a small budget, and every output
 * is the one that the Program alone gives. Eviction is the caller's: here the one used longest ago goes.
 */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import type { Program } from "../../../kernels/program/program.ts";
import { seededRandom } from "../../../models/seeded.ts";
import type { DeviceService } from "../../../runtime/device/service.ts";
import { assumedChoice, type UploadChoice } from "../../../runtime/device/upload-path.ts";
import { MemoryWeights } from "../../../runtime/device/weights.ts";
import { noise, reads, Sketch, writes } from "../../conformance/sketch.ts";
import { testService, testServiceFrom } from "../../gpu.ts";

const mebibyte = 2 ** 20;
const budgetBytes = 6 * mebibyte;
const code = `
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {
  var total = sum[lane];
  for (var i = lane; i < arrayLength(&weight); i += 64u) { total = total * 31u + weight[i]; }
  sum[lane] = total;
}`;

/** Staging memory stays while the service lives. */
const pieceBytes = 64 * 1024;
const direct = { ...assumedChoice(true), pieceBytes };
const ring: UploadChoice = { ...direct, path: "ring", isInPlace: false };
const pinned: UploadChoice = { ...direct, isInPlace: false, isPinned: true };

interface Function {
  readonly id: string;
  readonly program: Program;
  readonly weightBytes: number;
  readonly expected: Uint8Array;
}

const functions: Function[] = [];
const blobs = new Map<string, Uint8Array>();
let service: DeviceService;

/** Folds weights of the given sizes, one after the other. */
async function makeFunction(id: string, sizes: readonly number[], seed: number): Promise<Function> {
  const sketch = new Sketch();
  const output = sketch.output("uint32", 64);
  const sums = new Uint32Array(64);
  for (const [i, size] of sizes.entries()) {
    const bytes = noise(size / 4, seed + i);
    const weight = await sketch.weight(bytes);
    sketch.dispatch({ code, bindings: [reads(weight), writes(output)] });
    const words = new Uint32Array(bytes.slice().buffer);
    for (const [at, word] of words.entries()) sums[at % 64] = Math.imul(sums[at % 64]!, 31) + word;
  }
  const { program, weights } = sketch.finish();
  for (const [digest, bytes] of weights) blobs.set(digest, bytes);
  const weightBytes = sizes.reduce((sum, size) => sum + size, 0);
  return { id, program, weightBytes, expected: new Uint8Array(sums.buffer) };
}

beforeAll(async () => {
  const random = seededRandom(7);
  for (let i = 0; i < 16; i++) {
    const sizes = Array.from({ length: 1 + (i % 5) }, () => 4 * Math.ceil(random() * 0.6 * (mebibyte / 4)));
    functions.push(await makeFunction(`f${i}`, sizes, 1000 * i));
  }
});

afterEach(async () => {
  for (const { id } of functions) await service.unload(id);
  const { totalBytes, stagingBytes, placedBytes, hostBytes } = await service.memory();
  expect([totalBytes - stagingBytes, placedBytes, hostBytes]).toEqual([0, 0, 0]);
  expect([0, 4 * ring.pieceBytes]).toContain(stagingBytes);
});

/** Loads in order of need, evicting what was used longest ago and is idle. */
class Caller {
  readonly #order: string[] = [];
  readonly #busy = new Map<string, number>();
  readonly #known = new Set<string>();
  evictions = 0;

  async call({ id, program, expected }: Function): Promise<void> {
    this.#busy.set(id, (this.#busy.get(id) ?? 0) + 1);
    try {
      for (;;) {
        const outputs = await this.#try(id, program);
        if (outputs === undefined) continue;
        expect(Buffer.compare(outputs[0]!, expected), `output of ${id}`).toBe(0);
        return;
      }
    } finally {
      this.#busy.set(id, this.#busy.get(id)! - 1);
      this.#order.splice(0, this.#order.length, ...this.#order.filter((other) => other !== id), id);
    }
  }

  async #try(id: string, program: Program): Promise<readonly Uint8Array[] | undefined> {
    try {
      if (!this.#known.has(id)) await service.load(id, program, { writesBeforeReads: false });
      this.#known.add(id);
      return (await service.run({ program: id, inputs: [] })).outputs;
    } catch (error) {
      if (!(error instanceof DawnletError) || error.code !== "OUT_OF_MEMORY") throw error;
      expect(error.details?.neededBytes).toBeGreaterThan(0);
      const resident = new Set((await service.memory()).residentPrograms);
      const victim = this.#order.find((other) => resident.has(other) && !this.#busy.get(other));
      if (victim !== undefined) {
        this.evictions++;
        await service.evict(victim);
      } else await new Promise((resolve) => setTimeout(resolve, 1));
      return undefined;
    }
  }
}

test("slabs that are half empty make room for activations", async () => {
  const small = await Promise.all(
    Array.from({ length: 24 }, (_, i) => makeFunction(`small${i}`, [200 * 1024], 90_000 + i)),
  );
  service = await testService(blobs, budgetBytes);
  for (const { id, program } of small) await service.load(id, program, { writesBeforeReads: false });
  const full = await service.memory();
  // Every other one goes: no slab is empty, and half of each is free.
  for (const { id } of small.filter((_, i) => i % 2 === 1)) await service.evict(id);
  const sketch = new Sketch();
  const bytes = Math.floor(budgetBytes - full.weightBytes + mebibyte);
  const input = sketch.input("uint32", bytes / 4);
  sketch.copy(input, sketch.output("uint32", 4), 16);
  const { program } = sketch.finish();
  await service.load("large", program, { writesBeforeReads: false });
  const { outputs } = await service.run({ program: "large", inputs: [noise(bytes / 4, 5)] });
  expect(outputs[0]).toEqual(noise(bytes / 4, 5).slice(0, 16));
  for (const { id, expected } of small.filter((_, i) => i % 2 === 0)) {
    const { outputs: own } = await service.run({ program: id, inputs: [] });
    expect(Buffer.compare(own[0]!, expected), id).toBe(0);
  }
  expect((await service.memory()).totalBytes).toBeLessThanOrEqual(budgetBytes);
  for (const { id } of small) await service.unload(id);
  await service.unload("large");
});

test("what is brought in before it runs comes from host memory, as in a run", async () => {
  const source = new MemoryWeights(blobs);
  const read = vi.spyOn(source, "read");
  service = await testServiceFrom(source, { budgetBytes, hostBudgetBytes: budgetBytes });
  const { id, program, weightBytes, expected } = functions[2]!;
  await service.load(id, program, { writesBeforeReads: false });
  await service.evict(id);
  await service.reload(id);
  expect((await service.memory()).hostBytes).toBe(weightBytes);
  const reads = read.mock.calls.length;
  await service.evict(id);
  expect((await service.reload(id)).uploadedBytes).toBe(weightBytes);
  const { outputs, timing } = await service.run({ program: id, inputs: [] });
  expect([Buffer.compare(outputs[0]!, expected), timing.loadMs]).toEqual([0, 0]);
  expect(read).toHaveBeenCalledTimes(reads);
});

test("the fastest way to upload is measured, and the memory for that given back", async () => {
  service = await testService(blobs, 256 * mebibyte);
  const choice = await service.measureUpload();
  expect(["direct", "ring"]).toContain(choice.path);
  expect(choice.bytesPerSecond).toBeGreaterThan(0);
  const { stagingBytes } = await service.memory();
  expect(stagingBytes).toBe(choice.path === "ring" ? 4 * choice.pieceBytes : 0);
  expect(choice.isInPlace && choice.path === "ring").toBe(false);
  // What no budget has room for is refused, and leaves nothing.
  const tight = await testService(blobs, 16 * mebibyte);
  await expect(tight.measureUpload()).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
  expect((await tight.memory()).totalBytes).toBe(0);
  service = tight;
});

describe.each([
  { name: "without a host tier", hostBudgetBytes: 0, upload: undefined },
  { name: "with a host tier that is too small for all", hostBudgetBytes: 8 * mebibyte, upload: undefined },
  { name: "in pieces, each told at once", hostBudgetBytes: 0, upload: { ...direct, isInPlace: false } },
  { name: "through a ring of staging buffers", hostBudgetBytes: 8 * mebibyte, upload: ring },
  { name: "with a pinned host tier", hostBudgetBytes: 64 * mebibyte, upload: pinned },
  {
    name: "with a pinned host tier that is too small for all",
    hostBudgetBytes: 4 * mebibyte,
    upload: pinned,
  },
])("a device of 6 MiB $name", ({ hostBudgetBytes, upload }) => {
  test("functions of several times its memory give what each gives alone", async () => {
    service = await testService(blobs, budgetBytes, hostBudgetBytes, upload);
    const random = seededRandom(11);
    const total = functions.reduce((sum, { weightBytes }) => sum + weightBytes, 0);
    expect(total).toBeGreaterThan(2 * budgetBytes);
    const caller = new Caller();
    for (let i = 0; i < 120; i++) {
      await caller.call(functions[Math.floor(random() * functions.length)]!);
      const { totalBytes, hostBytes } = await service.memory();
      expect(totalBytes).toBeLessThanOrEqual(budgetBytes);
      expect(hostBytes).toBeLessThanOrEqual(hostBudgetBytes);
    }
    expect(caller.evictions).toBeGreaterThan(20);
  });

  test("so they do when three are called at a time", async () => {
    service = await testService(blobs, budgetBytes, hostBudgetBytes, upload);
    const caller = new Caller();
    const worker = async (seed: number) => {
      const random = seededRandom(seed);
      for (let i = 0; i < 50; i++) {
        await caller.call(functions[Math.floor(random() * functions.length)]!);
        expect((await service.memory()).totalBytes).toBeLessThanOrEqual(budgetBytes);
      }
    };
    await Promise.all([worker(1), worker(2), worker(3)]);
    expect(caller.evictions).toBeGreaterThan(20);
  });
});
