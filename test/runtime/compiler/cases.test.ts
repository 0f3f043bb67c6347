import { describe, expect, test } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { type Program, programFormat, type Step } from "../../../kernels/program/program.ts";
import type { Tensor, TensorSpec, Tensors } from "../../../kernels/tensor.ts";
import { eachRow, joinTensors } from "../../../kernels/tensor-rows.ts";
import type { CpuSession } from "../../../models/ort.ts";
import { ReferenceCases } from "../../../runtime/compiler/cases.ts";
import { floats } from "../../e2e/tensors.ts";

/** A model of one function. */
function session(compute: (inputs: Tensors) => Tensor): CpuSession {
  return {
    inputNames: ["x"],
    outputNames: ["y"],
    run: async (inputs) => new Map([["y", compute(inputs)]]),
    release: async () => {},
  };
}

function integersOf({ data }: Tensor): readonly number[] {
  return [...new Int32Array(data.slice().buffer)];
}

function refuse(): never {
  throw new DawnletError("INVALID_ARGUMENT", "index out of range");
}

function programOf(count: number): Program {
  const step: Step = { type: "clear", buffer: 0, offset: 0, sizeBytes: 4 };
  const empty = { inputs: [], outputs: [], shaders: [], pipelines: [], features: [] };
  return {
    format: programFormat,
    ...empty,
    buffers: [{ type: "temporary", sizeBytes: 4 }],
    steps: new Array(count).fill(step),
  };
}

const reals: readonly TensorSpec[] = [{ name: "x", dataType: "float32", shape: [8] }];
const indices: readonly TensorSpec[] = [{ name: "x", dataType: "int32", shape: [8] }];
const wide: readonly TensorSpec[] = [{ name: "x", dataType: "int64", shape: [8] }];

test("ordinary() gives two cases whose inputs differ, from the first domain that the model takes", async () => {
  const flags = session(({ x }) => (integersOf(x!).some((value) => value > 1) ? refuse() : floats([1], [0])));
  const cases = await new ReferenceCases(flags, indices, indices).ordinary();
  if (typeof cases === "string") throw new Error(cases);
  expect(cases[0].inputs).not.toEqual(cases[1].inputs);
  expect(integersOf(cases[0].inputs[0]!).every((value) => value === 0 || value === 1)).toBe(true);
});

test("ordinary() gives a reason where only one value is taken: nothing would show what depends on it", async () => {
  const onlyOnes = session(({ x }) =>
    integersOf(x!).some((value) => value !== 1) ? refuse() : floats([1], [0]),
  );
  expect(await new ReferenceCases(onlyOnes, indices, indices).ordinary()).toMatch(
    /no two.*index out of range/,
  );
});

test("further() has values with NaN only where the model makes ordinary ones of them", async () => {
  const hasNaN = (inputs: readonly Tensor[]) =>
    inputs.some(({ data }) => new Float32Array(data.slice().buffer).some(Number.isNaN));
  const passes = await new ReferenceCases(
    session(({ x }) => x!),
    reals,
    reals,
  ).further(programOf(1));
  expect(passes.some(({ inputs }) => hasNaN(inputs))).toBe(false);
  const bounded = await new ReferenceCases(
    session(() => floats([1], [0.5])),
    reals,
    reals,
  ).further(programOf(1));
  expect(bounded.some(({ inputs }) => hasNaN(inputs))).toBe(true);
});

test("further() has large values alone for long Programs", async () => {
  const cases = new ReferenceCases(
    session(({ x }) => x!),
    reals,
    reals,
  );
  expect(await cases.further(programOf(17))).toHaveLength(1);
  expect((await cases.further(programOf(16))).length).toBeGreaterThan(1);
});

test("further() leaves out what the model refuses and what the Program is never given", async () => {
  const small = session(({ x }) =>
    integersOf(x!).some((value) => Math.abs(value) > 9) ? refuse() : floats([1], [0]),
  );
  const accepted = await new ReferenceCases(small, indices, indices).further(programOf(1));
  expect(accepted.every(({ inputs }) => integersOf(inputs[0]!).every((value) => Math.abs(value) <= 9))).toBe(
    true,
  );
  // int64 inputs that the Program takes as int32: the session is called with wider ones.
  const any = session(({ x }) => x!);
  const kept = await new ReferenceCases(any, wide, wide).further(programOf(1));
  const narrowed = await new ReferenceCases(any, wide, indices).further(programOf(1));
  expect(narrowed.length).toBe(kept.length - 1);
  expect(narrowed.every(({ inputs }) => inputs[0]!.dataType === "int32")).toBe(true);
});

describe("cases of a batch", () => {
  const one: readonly TensorSpec[] = [{ name: "x", dataType: "float32", shape: [1, 2] }];
  const doubling = session(({ x }) => {
    const [a, b] = new Float32Array(x!.data.slice().buffer);
    return floats([1, 1], [a! + b!]);
  });

  test("are examples that the reference has answered one by one", async () => {
    const cases = await new ReferenceCases(doubling, one, one, 3).ordinary();
    if (typeof cases === "string") throw new Error(cases);
    for (const { inputs, expected, isBatch } of cases) {
      expect(isBatch).toBe(true);
      expect(inputs[0]!.shape).toEqual([3, 2]);
      expect(expected.get("y")!.shape).toEqual([3, 1]);
      const examples = eachRow(inputs[0]!);
      const answers = await Promise.all(examples.map(async (x) => (await doubling.run({ x })).get("y")!));
      expect(expected.get("y")).toEqual(joinTensors(answers));
      expect(new Set(examples.map(({ data }) => `${data}`)).size).toBe(3);
    }
  });

  test("are none where an example gives more than a row", async () => {
    const two = session(() => floats([2], [1, 2]));
    expect(await new ReferenceCases(two, one, one, 3).ordinary()).toMatch(
      /of one example output 'y' has shape \[2\]/,
    );
    expect(await new ReferenceCases(two, one, one).ordinary()).not.toBeTypeOf("string");
  });
});
