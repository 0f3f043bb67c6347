/**
 * Runs that are cut into parts, on a real device: the slice is so short that every Program of more than one step is cut
 * once it has run. What comes out is, bit by bit, what each Program alone gives, whole.
 */
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Program } from "../../../kernels/program/program.ts";
import type { DeviceService } from "../../../runtime/device/service.ts";
import { mapShader, noise, reads, Sketch, writes } from "../../conformance/sketch.ts";
import { testService } from "../../gpu.ts";

const count = 96;
const expressions = ["x + 1u", "x * 3u", "x ^ 0x5bd1e995u", "x * x", "(x << 5u) | (x >> 27u)"] as const;

/** What a Program is made of: maps by their number, a repeat of the first two between them, copies and clears. */
interface Shape {
  readonly maps: readonly number[];
  readonly repeats: number;
  readonly isCopying: boolean;
}

function programOf({ maps, repeats, isCopying }: Shape): Program {
  const sketch = new Sketch();
  const input = sketch.input("uint32", count);
  const output = sketch.output("uint32", count);
  let from = input;
  const pair = [sketch.temporary(4 * count), sketch.temporary(4 * count)] as const;
  const map = (expression: string, source: number, target: number) => ({
    code: mapShader(expression),
    bindings: [reads(source), writes(target)],
  });
  for (const [i, number] of maps.entries()) {
    const to = pair[i % 2]!;
    sketch.dispatch(map(expressions[number % expressions.length]!, from, to));
    from = to;
  }
  if (isCopying) {
    const copied = sketch.temporary(4 * count);
    sketch.copy(from, copied, 4 * (count / 2));
    from = copied;
  }
  if (repeats > 0) {
    const there = sketch.temporary(4 * count);
    sketch.dispatch(map("x", from, there));
    const back = sketch.temporary(4 * count);
    sketch.repeat(repeats, [
      sketch.dispatchStep(map("x * 5u + 1u", there, back)),
      sketch.dispatchStep(map("x ^ (x >> 3u)", back, there)),
    ]);
    from = there;
  }
  sketch.dispatch(map("x + 7u", from, output));
  return sketch.finish().program;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  maps: fc.array(fc.nat(20), { maxLength: 6 }),
  repeats: fc.nat(5),
  isCopying: fc.boolean(),
});
const call = fc.record({
  program: fc.nat(3),
  seed: fc.integer({ min: 1, max: 1000 }),
  urgencyMs: fc.option(fc.nat(50), { nil: undefined }),
  share: fc.constantFrom(0.5, 1, 3),
  keep: fc.boolean(),
});

let whole: DeviceService;
let cut: DeviceService;

beforeAll(async () => {
  whole = await testService(new Map(), 2 ** 28, 0, undefined, { sliceMs: Number.POSITIVE_INFINITY });
  cut = await testService(new Map(), 2 ** 28, 0, undefined, { sliceMs: 0 });
});

afterEach(async () => {
  for (const service of [whole, cut]) expect((await service.memory()).totalBytes).toBe(0);
});

describe("runs in parts", () => {
  test("give what they give whole, beside each other and beside rounds", async () => {
    const mix = fc.tuple(
      fc.array(shape, { minLength: 4, maxLength: 4 }),
      fc.array(call, { minLength: 1, maxLength: 24 }),
    );
    await fc.assert(
      fc.asyncProperty(mix, async ([shapes, calls]) => {
        const programs = shapes.map(programOf);
        for (const service of [whole, cut])
          for (const [i, program] of programs.entries()) {
            await service.load(`${i}`, program, { writesBeforeReads: false });
            // From now on it is known what it takes. The last goes whole everywhere the first time.
            if (i < 3) await service.run({ program: `${i}`, inputs: [noise(count, 1)] });
          }
        const expected: Uint8Array[] = [];
        for (const { program, seed } of calls)
          expected.push(
            (await whole.run({ program: `${program}`, inputs: [noise(count, seed)] })).outputs[0]!,
          );
        const given = calls.map(async ({ program, seed, keep, ...standing }) => {
          const inputs = [noise(count, seed)];
          const request = { program: `${program}`, inputs, ...standing };
          if (!keep) return (await cut.run(request)).outputs[0]!;
          const [kept] = (await cut.run({ ...request, keep: [true] })).outputs;
          if (kept === undefined || kept instanceof Uint8Array) throw new Error("Nothing was kept");
          const bytes = await cut.readTensor(kept.tensor);
          await cut.releaseTensors([kept.tensor]);
          return bytes;
        });
        expect(await Promise.all(given)).toEqual(expected);
        for (const service of [whole, cut]) for (const i of programs.keys()) await service.unload(`${i}`);
      }),
      { numRuns: 15 },
    );
  });

  test("let a short run through before a long one is done", async () => {
    const long = programOf({ maps: Array.from({ length: 400 }, (_, i) => i), repeats: 0, isCopying: false });
    const short = new Sketch();
    const [input, output] = [short.input("uint32", count), short.output("uint32", count)];
    short.dispatch({ code: mapShader("x + 1u"), bindings: [reads(input), writes(output)] });
    const order: string[] = [];
    const programs = { long, short: short.finish().program };
    const run = async (service: DeviceService, program: keyof typeof programs) => {
      await service.run({ program, inputs: [noise(count, 3)] });
      order.push(program);
    };
    for (const service of [cut, whole]) {
      for (const [id, program] of Object.entries(programs)) {
        await service.load(id, program, { writesBeforeReads: false });
        await service.run({ program: id, inputs: [noise(count, 1)] });
      }
      order.length = 0;
      const isLong = run(service, "long");
      // Behind the first part, or behind all of it.
      await new Promise((resolve) => setImmediate(resolve));
      await Promise.all([isLong, run(service, "short")]);
      expect(order).toEqual(service === cut ? ["short", "long"] : ["long", "short"]);
      for (const id of ["long", "short"]) await service.unload(id);
    }
  });

  test("take turns, so that one that has few parts left does not wait for one that has many", async () => {
    const many = programOf({ maps: Array.from({ length: 300 }, (_, i) => i), repeats: 0, isCopying: false });
    const few = programOf({ maps: [1, 2, 3], repeats: 0, isCopying: false });
    const order: string[] = [];
    for (const [id, program] of Object.entries({ many, few })) {
      await cut.load(id, program, { writesBeforeReads: false });
      await cut.run({ program: id, inputs: [noise(count, 1)] });
    }
    const run = async (program: string) => {
      await cut.run({ program, inputs: [noise(count, 3)] });
      order.push(program);
    };
    await Promise.all([run("many"), run("few"), run("few")]);
    expect(order).toEqual(["few", "few", "many"]);
    for (const id of ["many", "few"]) await cut.unload(id);
  });

  test("are charged with time of the GPU, no more than they took", async () => {
    const program = programOf({ maps: Array.from({ length: 40 }, (_, i) => i), repeats: 3, isCopying: true });
    for (const service of [cut, whole]) {
      await service.load("p", program, { writesBeforeReads: false });
      for (let i = 0; i < 3; i++) {
        const { timing } = await service.run({ program: "p", inputs: [noise(count, 1)] });
        expect(timing.gpuMs).toBeGreaterThan(0);
        expect(timing.gpuMs).toBeLessThanOrEqual(timing.executeMs + 1);
      }
      await service.unload("p");
    }
  });
});
