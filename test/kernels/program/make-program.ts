/** Small Programs for tests, and fast-check's way to random ones. */
import fc from "fast-check";
import {
  type Binding,
  type DispatchStep,
  type Program,
  type ProgramBuffer,
  programFormat,
  type Step,
} from "../../../kernels/program/program.ts";

export const digest = "ab".repeat(32);

/** A copy of `x` to `y` through a shader. */
export function copyProgram(overrides: Partial<Program> = {}): Program {
  return {
    format: programFormat,
    inputs: [{ name: "x", dataType: "float32", shape: [4], buffer: 0 }],
    outputs: [{ name: "y", dataType: "float32", shape: [4], buffer: 1 }],
    buffers: [
      { type: "input", sizeBytes: 16 },
      { type: "output", sizeBytes: 16 },
    ],
    shaders: ["@compute @workgroup_size(1) fn main() {}"],
    pipelines: [{ shader: 0, entryPoint: "main" }],
    steps: [dispatch([read(0, 0, 16), write(1, 1, 16)])],
    features: [],
    ...overrides,
  };
}

export function dispatch(
  bindings: readonly Binding[],
  workgroups: DispatchStep["workgroups"] = [1, 1, 1],
): DispatchStep {
  return { type: "dispatch", pipeline: 0, bindings, workgroups };
}

export function read(binding: number, buffer: number, sizeBytes: number, offset = 0): Binding {
  return { group: 0, binding, buffer, offset, sizeBytes, access: "read" };
}

export function write(binding: number, buffer: number, sizeBytes: number, offset = 0): Binding {
  return { group: 0, binding, buffer, offset, sizeBytes, access: "read_write" };
}

/** Valid Programs of up to ten buffers and twelve steps; what they compute is nothing. */
export const anyProgram: fc.Arbitrary<Program> = fc
  .array(
    fc.record({
      type: fc.constantFrom("input", "output", "temporary", "temporary"),
      words: fc.integer({ min: 1, max: 64 }),
    }),
    {
      minLength: 2,
      maxLength: 10,
    },
  )
  .chain((kinds) => {
    const buffers = kinds.map(({ type, words }) => ({ type, sizeBytes: words * 4 }) as ProgramBuffer);
    const any = fc.nat(buffers.length - 1);
    const writable = buffers.flatMap((b, i) => (b.type === "input" ? [] : [i]));
    if (writable.length === 0) return fc.constant(copyProgram());
    const target = fc.constantFrom(...writable);
    const whole = (buffer: number) => buffers[buffer]!.sizeBytes;
    const simple = fc.oneof(
      fc
        .record({ reads: fc.uniqueArray(any, { maxLength: 3 }), to: target })
        .map(({ reads, to }) =>
          dispatch([
            ...reads.filter((b) => b !== to).map((b, i) => read(i, b, whole(b))),
            write(reads.length, to, whole(to)),
          ]),
        ),
      fc.record({ from: any, to: target }).map(({ from, to }): Step => {
        if (from === to) return { type: "clear", buffer: to, offset: 0, sizeBytes: whole(to) };
        const sizeBytes = Math.min(whole(from), whole(to));
        return { type: "copy", from, fromOffset: 0, to, toOffset: 0, sizeBytes };
      }),
      target.map((buffer): Step => ({ type: "clear", buffer, offset: 0, sizeBytes: whole(buffer) })),
    );
    const repeat = fc.record({
      count: fc.integer({ min: 1, max: 3 }),
      steps: fc.array(simple, { minLength: 1, maxLength: 3 }),
    });
    const step = fc.oneof(
      { weight: 4, arbitrary: simple },
      { weight: 1, arbitrary: repeat.map(({ count, steps }) => ({ type: "repeat", count, steps }) as Step) },
    );
    const tensors = (type: "input" | "output") =>
      buffers.flatMap((b, buffer) =>
        b.type === type
          ? [{ name: `t${buffer}`, dataType: "uint32" as const, shape: [b.sizeBytes / 4], buffer }]
          : [],
      );
    return fc
      .array(step, { maxLength: 12 })
      .map((steps) => copyProgram({ buffers, inputs: tensors("input"), outputs: tensors("output"), steps }));
  });
