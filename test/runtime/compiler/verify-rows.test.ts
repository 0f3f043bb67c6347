import { expect, test } from "vitest";
import { type Program, programFormat } from "../../../kernels/program/program.ts";
import { joinTensors } from "../../../kernels/tensor-rows.ts";
import type { VerificationCase } from "../../../runtime/compiler/cases.ts";
import { findInterference } from "../../../runtime/compiler/verify-rows.ts";
import type { DeviceApi, RunRequest } from "../../../runtime/device/api.ts";
import { floats, floatsIn, tensorOf } from "../../e2e/tensors.ts";
import { bytesOf } from "../device/bytes.ts";

const rows = 5;
const options = { writesBeforeReads: true };

/** A float and an index a row; what it computes is the fake device's matter. */
const program: Program = {
  format: programFormat,
  inputs: [
    { name: "x", dataType: "float32", shape: [rows, 1], buffer: 0 },
    { name: "i", dataType: "int32", shape: [rows, 1], buffer: 1 },
  ],
  outputs: [{ name: "y", dataType: "float32", shape: [rows, 1], buffer: 2 }],
  buffers: [
    { type: "input", sizeBytes: 4 * rows },
    { type: "input", sizeBytes: 4 * rows },
    { type: "output", sizeBytes: 4 * rows },
  ],
  shaders: [],
  pipelines: [],
  steps: [],
  features: [],
};

interface FakeDevice extends DeviceApi {
  readonly runs: ReadonlyArray<readonly number[]>;
  /** Programs that are loaded now. */
  readonly loaded: ReadonlySet<string>;
}

function device(compute: (x: readonly number[], i: readonly number[]) => readonly number[]): FakeDevice {
  const unused = () => Promise.reject(new Error("This is not asked"));
  const runs: number[][] = [];
  const loaded = new Set<string>();
  return {
    runs,
    loaded,
    describe: unused,
    checkShader: unused,
    memory: unused,
    load: async (id) => {
      loaded.add(id);
      return { pipelinesMs: 0, uploadMs: 0, totalMs: 0, uploadedBytes: 0 };
    },
    reload: unused,
    evict: unused,
    dropHost: unused,
    measureUpload: unused,
    unload: async (id) => void loaded.delete(id),
    readTensor: unused,
    releaseTensors: unused,
    run: async ({ inputs }: RunRequest) => {
      const x = [...new Float32Array(bytesOf(inputs[0]).slice().buffer)];
      const i = [...new Int32Array(bytesOf(inputs[1]).slice().buffer)];
      runs.push(x);
      const timing = { loadMs: 0, queueMs: 0, encodeMs: 0, executeMs: 0, gpuMs: 0 };
      return { outputs: [floats([rows, 1], [...compute(x, i)]).data], timing };
    },
  };
}

function caseOf(first: number): VerificationCase {
  const numbers = Array.from({ length: rows }, (_, row) => first + row);
  const examples = numbers.map((value) => floats([1, 1], [value]));
  const indices = numbers.map((value) => tensorOf("int32", [1, 1], [value % 3]));
  return { inputs: [joinTensors(examples), joinTensors(indices)], expected: new Map(), isBatch: true };
}

const cases = [caseOf(1), caseOf(100)] as const;
const find = (fake: DeviceApi) => findInterference(fake, program, cases, options);

test("rows that keep to themselves do not interfere, and nothing stays loaded", async () => {
  const alone = device((x, i) => x.map((value, row) => value * 2 + i[row]!));
  expect(await find(alone)).toBeUndefined();
  expect(alone.loaded.size).toBe(0);
});

test("each two rows are told apart: one that reads any other is found", async () => {
  for (let reader = 0; reader < rows; reader++)
    for (let read = 0; read < rows; read++) {
      const leaking = device((x) => x.map((value, row) => (row === reader ? value + x[read]! : value)));
      const reason =
        reader === read ? undefined : `row ${reader} of output 'y' changes with the rows beside it`;
      expect(await find(leaking)).toBe(reason);
    }
});

test("a difference of one bit counts", async () => {
  const rounding = device((x) => x.map((value) => value * (x[0]! > 50 ? 1 + 2 ** -23 : 1)));
  expect(await find(rounding)).toMatch(/changes with the rows beside it/);
});

test("NaN in one row that reaches others is found, also where it is multiplied by zero", async () => {
  const masked = device((x) => x.map((value, row) => value + 0 * x[(row + 1) % rows]!));
  expect(await find(masked)).toMatch(/changes with the rows beside it/);
});

test("whole numbers are never replaced by what may be no index", async () => {
  const seen = new Set<number>();
  await find(
    device((x, i) => {
      for (const index of i) seen.add(index);
      return x;
    }),
  );
  expect(Math.max(...seen)).toBeLessThan(3);
});

test("what is loaded is unloaded where it interferes, and where a run fails", async () => {
  const leaking = device((x) => x.map(() => x[0]!));
  expect(await find(leaking)).toBeDefined();
  expect(leaking.loaded.size).toBe(0);
  const failing = device(() => {
    throw new Error("lost");
  });
  await expect(find(failing)).rejects.toThrow("lost");
  expect(failing.loaded.size).toBe(0);
});

test("the first case is what others are compared with", async () => {
  const recorded = device((x) => x);
  await find(recorded);
  expect(recorded.runs[0]).toEqual([...floatsIn(cases[0].inputs[0]!)]);
  expect(recorded.runs.length).toBeGreaterThan(4);
});
