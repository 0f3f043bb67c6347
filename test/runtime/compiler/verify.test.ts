import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Program, programFormat } from "../../../kernels/program/program.ts";
import type { VerificationCase } from "../../../runtime/compiler/cases.ts";
import { verifyProgram } from "../../../runtime/compiler/verify.ts";
import type { DeviceApi, LoadOptions, PlainRunRequest, RunRequest } from "../../../runtime/device/api.ts";
import { floats, floatsIn } from "../../e2e/tensors.ts";
import { bytesOf } from "../device/bytes.ts";

/** `y` of one float; what it computes is the fake device's matter. */
const program: Program = {
  format: programFormat,
  inputs: [{ name: "x", dataType: "float32", shape: [1], buffer: 0 }],
  outputs: [{ name: "y", dataType: "float32", shape: [1], buffer: 1 }],
  buffers: [
    { type: "input", sizeBytes: 4 },
    { type: "output", sizeBytes: 4 },
  ],
  shaders: ["@group(0) @binding(0) var<storage, read> x: array<f32>;"],
  pipelines: [{ shader: 0, entryPoint: "main" }],
  steps: [
    {
      type: "dispatch",
      pipeline: 0,
      bindings: [
        { group: 0, binding: 0, buffer: 0, offset: 0, sizeBytes: 4, access: "read" },
        { group: 0, binding: 1, buffer: 1, offset: 0, sizeBytes: 4, access: "read_write" },
      ],
      workgroups: [1, 1, 1],
    },
  ],
  features: [],
};

interface FakeDevice extends DeviceApi {
  /** What the Program was run on, in order; `memory` is 0 where it was cleared. */
  readonly replays: readonly { readonly x: number; readonly memory: number }[];
}

/** Computes in JavaScript; `memory` is what the last Program left behind, 0 where it was cleared. */
function device(compute: (x: number, memory: number) => number): FakeDevice {
  const loaded = new Map<string, LoadOptions>();
  const replays: { x: number; memory: number }[] = [];
  let memory = 0;
  const unused = () => Promise.reject(new Error("Verification does not ask for this"));
  return {
    replays,
    describe: unused,
    checkShader: unused,
    memory: unused,
    load: async (id, _, options) => {
      loaded.set(id, options);
      return { pipelinesMs: 0, uploadMs: 0, totalMs: 0, uploadedBytes: 0 };
    },
    reload: () => Promise.reject(new Error("not asked")),
    evict: async () => {},
    dropHost: unused,
    measureUpload: () => Promise.reject(new Error("not asked")),
    unload: async (id) => void loaded.delete(id),
    readTensor: unused,
    releaseTensors: unused,
    run: async ({ program: id, inputs }: RunRequest) => {
      const timing = { loadMs: 0, queueMs: 0, encodeMs: 0, executeMs: 0, gpuMs: 0 };
      if (id.startsWith("poison")) {
        memory = Number(id.split("-")[1]);
        return { outputs: [], timing };
      }
      const [x] = new Float32Array(bytesOf(inputs[0]).slice().buffer);
      const seen = loaded.get(id)!.writesBeforeReads ? memory : 0;
      replays.push({ x: x!, memory: seen });
      return { outputs: [floats([1], [compute(x!, seen)]).data], timing };
    },
  };
}

/** The reference doubles. */
function doubled(...values: readonly number[]): readonly VerificationCase[] {
  return values.map((value) => {
    const x = floats([1], [value]);
    return { inputs: [x], expected: new Map([["y", floats([1], [2 * floatsIn(x)[0]!])]]) };
  });
}

const cases = doubled(1, -3, 100);

test("the longest run is measured", async () => {
  const slow = device((x) => 2 * x);
  const { run } = slow;
  slow.run = async (request: PlainRunRequest) => {
    // Only of the third case.
    const [x] = new Float32Array(bytesOf(request.inputs[0] ?? new Uint8Array(4)).slice().buffer);
    if (x === 100) await new Promise((resolve) => setTimeout(resolve, 50));
    return run(request);
  };
  const { slowestRunMs } = await verifyProgram(slow, program, cases);
  expect(slowestRunMs).toBeGreaterThanOrEqual(49);
  expect(slowestRunMs).toBeLessThan(1_000);
});

test("a Program that is right in any memory need not have its memory cleared", async () => {
  const right = device((x) => 2 * x);
  expect(await verifyProgram(right, program, cases)).toEqual({
    maxAbsoluteError: 0,
    slowestRunMs: expect.any(Number),
    writesBeforeReads: true,
    disagreement: undefined,
  });
});

test("a Program that is right only in cleared memory has it cleared", async () => {
  const accumulating = device((x, memory) => 2 * x + memory);
  const verified = await verifyProgram(accumulating, program, cases);
  expect(verified).toMatchObject({ writesBeforeReads: false, disagreement: undefined });
});

test("a dependence on garbage below the tolerance counts as well", async () => {
  const leaking = device((x, memory) => 2 * x + (memory % 2) * 2 ** -22);
  expect(await verifyProgram(leaking, program, cases)).toMatchObject({ writesBeforeReads: false });
});

test("a Program that is wrong in one case of many disagrees", async () => {
  const saturating = device((x) => Math.min(2 * x, 50));
  const { disagreement } = await verifyProgram(saturating, program, cases);
  expect(disagreement).toMatch(/output 'y' differs from the reference at element 0 \(largest error 150\)/);
  expect((await verifyProgram(saturating, program, doubled(1, -3, 7))).disagreement).toBeUndefined();
});

test("a Program whose output has another shape than the reference disagrees", async () => {
  const expected = new Map([["y", floats([2], [2, 2])]]);
  const { disagreement } = await verifyProgram(
    device((x) => 2 * x),
    program,
    [{ inputs: [floats([1], [1])], expected }],
  );
  expect(disagreement).toMatch(/has shape \[1\], the reference \[2\]/);
});

describe("a Program of which one replay takes", () => {
  /** A device on which each replay takes so long. */
  function slowDevice(replayMs: number, compute: (x: number, memory: number) => number): FakeDevice {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    onTestFinished(() => void vi.restoreAllMocks());
    return device((x, memory) => {
      now += replayMs;
      return compute(x, memory);
    });
  }
  const verified = { writesBeforeReads: true, disagreement: undefined };

  test("four seconds is replayed three times: one case in both kinds of garbage, and another case", async () => {
    const slow = slowDevice(4_000, (x) => 2 * x);
    expect(await verifyProgram(slow, program, cases)).toMatchObject(verified);
    expect(slow.replays.map(({ x }) => x)).toEqual([1, 1, -3]);
    expect(new Set(slow.replays.slice(0, 2).map(({ memory }) => memory)).size).toBe(2);
  });

  test("two seconds is replayed on every case", async () => {
    const fast = slowDevice(2_000, (x) => 2 * x);
    expect(await verifyProgram(fast, program, cases)).toMatchObject(verified);
    expect(fast.replays.map(({ x }) => x)).toEqual([1, 1, -3, 100]);
  });

  test("four seconds has its memory cleared where garbage shows, even below the tolerance", async () => {
    const leaking = slowDevice(4_000, (x, memory) => 2 * x + (memory % 2) * 2 ** -22);
    const cleared = { writesBeforeReads: false, disagreement: undefined };
    expect(await verifyProgram(leaking, program, cases)).toMatchObject(cleared);
  });

  test("four seconds disagrees where it is wrong in the second case", async () => {
    const constant = slowDevice(4_000, () => 2);
    expect((await verifyProgram(constant, program, cases)).disagreement).toMatch(/differs .* at element 0/);
  });
});

describe("a batch", () => {
  /** `y` of two rows: a large one and a small one. */
  const shape = [2, 1];
  const two: Program = {
    ...program,
    inputs: [{ ...program.inputs[0]!, shape }],
    outputs: [{ ...program.outputs[0]!, shape }],
    buffers: [
      { type: "input", sizeBytes: 8 },
      { type: "output", sizeBytes: 8 },
    ],
  };
  const computing = (compute: (x: number) => number): DeviceApi => ({
    ...device((x) => x),
    run: async ({ program: id, inputs }: RunRequest) => {
      const timing = { loadMs: 0, queueMs: 0, encodeMs: 0, executeMs: 0, gpuMs: 0 };
      if (id.startsWith("poison")) return { outputs: [], timing };
      const values = [...new Float32Array(bytesOf(inputs[0]).slice().buffer)].map(compute);
      return { outputs: [floats(shape, values).data], timing };
    },
  });
  const batch = (isBatch: boolean): VerificationCase => ({
    inputs: [floats(shape, [1000, 0.001])],
    expected: new Map([["y", floats(shape, [2000, 0.002])]]),
    isBatch,
  });

  test("is compared row by row: a large row excuses no small one", async () => {
    const coarse = computing((x) => (x < 1 ? 2 * x + 0.0005 : 2 * x));
    const { disagreement } = await verifyProgram(coarse, two, [batch(true)]);
    expect(disagreement).toMatch(/output 'y' of row 1 differs from what the row gives alone at element 0/);
    expect((await verifyProgram(coarse, two, [batch(false)])).disagreement).toBeUndefined();
    const exact = computing((x) => 2 * x);
    expect((await verifyProgram(exact, two, [batch(true)])).disagreement).toBeUndefined();
  });
});
