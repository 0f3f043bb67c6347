/** Checks of eviction and swap-in: bytes go and come again, outputs stay the same. */
import type { DeviceApi } from "../../../runtime/device/api.ts";
import { noise, reads, Sketch, words, writes } from "../sketch.ts";
import { type Check, cleared, ensure, ensureEmpty, ensureEqual, ensureFails } from "./check.ts";

const links = 24;
const count = 4096;
const code = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i < arrayLength(&y)) { y[i] = x[i] * 3u + weight[i]; }
}`;

const weightsOf = (seed: number): Uint8Array[] =>
  Array.from({ length: links }, (_, i) => noise(count, seed + i));

/** A chain of steps, each of which reads a weight of its own. */
async function chain(seed: number) {
  const sketch = new Sketch();
  let from = sketch.input("uint32", count);
  for (const [i, bytes] of weightsOf(seed).entries()) {
    const weight = await sketch.weight(bytes);
    const to = i === links - 1 ? sketch.output("uint32", count) : sketch.temporary(4 * count);
    const bindings = [reads(from), reads(weight), writes(to)];
    sketch.dispatch({ code, bindings, workgroups: [count / 64, 1, 1] });
    from = to;
  }
  return sketch.finish();
}

function expected(seed: number, first: number): Uint8Array {
  const values = new Uint32Array(count).fill(first);
  for (const bytes of weightsOf(seed)) {
    const weight = new Uint32Array(bytes.slice().buffer);
    for (let i = 0; i < count; i++) values[i] = Math.imul(values[i]!, 3) + weight[i]!;
  }
  return new Uint8Array(values.buffer);
}

async function ensureRight(device: DeviceApi, id: string, seed: number, first: number): Promise<void> {
  const input = words(...new Array<number>(count).fill(first));
  const { outputs } = await device.run({ program: id, inputs: [input] });
  ensureEqual(`output of ${id} for ${first}`, outputs[0], expected(seed, first));
}

export const swappingChecks: readonly Check[] = [
  {
    name: "an evicted Program gives its memory back, and brings its weights in again when it runs",
    programs: async () => [await chain(100)],
    async run(device, [one]) {
      await device.load("one", one!.program, cleared);
      await ensureRight(device, "one", 100, 1);
      for (let round = 0; round < 3; round++) {
        await device.evict("one");
        const { placedBytes, constantBytes, residentPrograms, loadedPrograms, pipelines } =
          await device.memory();
        ensureEqual("what an evicted one holds", [placedBytes, constantBytes, residentPrograms], [0, 0, []]);
        ensureEqual("what is kept of it", [loadedPrograms, pipelines], [1, 1]);
        if (round === 2) {
          await device.dropHost([...one!.weights.keys()]);
          ensureEqual("what is in host memory", (await device.memory()).hostBytes, 0);
        }
        await Promise.all([1, 2, 3].map((first) => ensureRight(device, "one", 100, first + round)));
        ensureEqual("residents", (await device.memory()).residentPrograms, ["one"]);
      }
      await device.unload("one");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "an evicted Program is brought in again before it runs, once for all who ask for it",
    programs: async () => [await chain(100)],
    async run(device, [one]) {
      await ensureFails("one that nobody loaded", device.reload("one"), "NOT_FOUND");
      await device.load("one", one!.program, cleared);
      for (let round = 0; round < 3; round++) {
        const run = ensureRight(device, "one", 100, round);
        if (round === 1) await run;
        await device.evict("one");
        await Promise.all([device.reload("one"), run, device.reload("one")]);
        ensureEqual("residents", (await device.memory()).residentPrograms, ["one"]);
        await ensureRight(device, "one", 100, round + 1);
      }
      await device.unload("one");
      await ensureFails("one that was forgotten", device.reload("one"), "NOT_FOUND");
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "Programs that come in while others run are right, and so are the others",
    programs: async () => [await chain(200), await chain(300), await chain(400)],
    async run(device, [resident, second, third]) {
      await device.load("resident", resident!.program, cleared);
      await device.load("second", second!.program, cleared);
      await device.load("third", third!.program, cleared);
      for (let round = 0; round < 4; round++) {
        await Promise.all([device.evict("second"), device.evict("third")]);
        await Promise.all([
          ensureRight(device, "second", 300, round),
          ensureRight(device, "resident", 200, round),
          ensureRight(device, "third", 400, round),
          ensureRight(device, "resident", 200, round + 10),
          ensureRight(device, "third", 400, round + 20),
        ]);
      }
      for (const id of ["resident", "second", "third"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "a Program is evicted and unloaded while it runs and while it comes in, and every run is right",
    programs: async () => [await chain(500)],
    async run(device, [one]) {
      await device.load("one", one!.program, cleared);
      const runs: Promise<void>[] = [];
      for (let first = 0; first < 6; first++) {
        const run = ensureRight(device, "one", 500, first);
        // Heard below, where all are awaited.
        run.catch(() => undefined);
        runs.push(run);
        await device.evict("one");
      }
      await Promise.all(runs);
      await device.evict("one");
      ensure((await device.memory()).placedBytes === 0, "weights of an evicted Program are still there");
      const last = ensureRight(device, "one", 500, 9);
      await device.unload("one");
      await last;
      await device.load("one", one!.program, cleared);
      await device.unload("one");
      await ensureEmpty(device);
      return undefined;
    },
  },
];
