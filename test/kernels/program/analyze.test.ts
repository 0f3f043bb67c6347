import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buffersToClear,
  flatSteps,
  lifetimes,
  planClears,
  planSlots,
  planTakeover,
  requirements,
  touches,
  traffic,
  weightFirstUse,
} from "../../../kernels/program/analyze.ts";
import type { Program } from "../../../kernels/program/program.ts";
import { anyProgram, copyProgram, digest, dispatch, read, write } from "./make-program.ts";

const isActivation = (program: Program, buffer: number) =>
  ["input", "output", "temporary"].includes(program.buffers[buffer]!.type);

describe("planSlots()", () => {
  it("never puts buffers that live at the same time into one slot, and makes each slot large enough", () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const { slotBytes, slotOf } = planSlots(program);
        const alive = lifetimes(program);
        for (const [a, slot] of slotOf) {
          expect(slotBytes[slot]).toBeGreaterThanOrEqual(program.buffers[a]!.sizeBytes);
          for (const [b, other] of slotOf) {
            if (a === b || slot !== other) continue;
            const overlap = alive[a]!.first <= alive[b]!.last && alive[b]!.first <= alive[a]!.last;
            expect(overlap, `buffers ${a} and ${b}`).toBe(false);
          }
        }
      }),
    );
  });

  it("gives a slot to every activation that a step or the caller uses", () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const { slotOf } = planSlots(program);
        for (const step of flatSteps(program)) {
          for (const { buffer } of touches(program, step))
            if (isActivation(program, buffer)) expect(slotOf.has(buffer)).toBe(true);
        }
        for (const { buffer } of [...program.inputs, ...program.outputs])
          expect(slotOf.has(buffer)).toBe(true);
      }),
    );
  });

  it("lists slots from the largest to the smallest and needs no more than all buffers together", () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const { slotBytes } = planSlots(program);
        expect(slotBytes).toEqual([...slotBytes].sort((a, b) => b - a));
        const all = program.buffers.reduce((sum, buffer) => sum + buffer.sizeBytes, 0);
        expect(slotBytes.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(all);
      }),
    );
  });

  it("lets temporaries whose lifetimes do not overlap share memory", () => {
    const program = copyProgram({
      buffers: [
        { type: "input", sizeBytes: 16 },
        { type: "output", sizeBytes: 16 },
        ...([64, 64, 64] as const).map((sizeBytes) => ({ type: "temporary", sizeBytes }) as const),
      ],
      steps: [
        dispatch([read(0, 0, 16), write(1, 2, 64)]),
        dispatch([read(0, 2, 64), write(1, 3, 64)]),
        dispatch([read(0, 3, 64), write(1, 4, 64)]),
        dispatch([read(0, 4, 64), write(1, 1, 16)]),
      ],
    });
    const { slotOf, slotBytes } = planSlots(program);
    expect(slotOf.get(2)).toBe(slotOf.get(4));
    expect(slotOf.get(2)).not.toBe(slotOf.get(3));
    expect(slotBytes.reduce((sum, bytes) => sum + bytes, 0)).toBe(2 * 64);
  });

  it("keeps what a repeat touches alive through all its rounds", () => {
    const body = [dispatch([read(0, 0, 16), write(1, 2, 16)]), dispatch([read(0, 2, 16), write(1, 1, 16)])];
    const program = copyProgram({
      buffers: [
        { type: "input", sizeBytes: 16 },
        { type: "output", sizeBytes: 16 },
        { type: "temporary", sizeBytes: 16 },
      ],
      steps: [{ type: "repeat", count: 3, steps: body }],
    });
    expect(new Set(planSlots(program).slotOf.values()).size).toBe(3);
  });
});

describe("planClears()", () => {
  it("clears exactly what could show old bytes, each buffer once, and first only where nobody else was before", () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const slots = planSlots(program);
        const { clearedFirst, clearedLater } = planClears(program, slots);
        expect([...clearedFirst, ...clearedLater].sort()).toEqual(buffersToClear(program).sort());
        const alive = lifetimes(program);
        for (const buffer of clearedFirst) {
          for (const [other, slot] of slots.slotOf) {
            if (other !== buffer && slot === slots.slotOf.get(buffer))
              expect(alive[other]!.first).toBeGreaterThan(alive[buffer]!.first);
          }
        }
      }),
    );
  });

  it("spares a temporary that a copy overwrites wholly", () => {
    const program = copyProgram({
      buffers: [
        { type: "input", sizeBytes: 16 },
        { type: "output", sizeBytes: 16 },
        { type: "temporary", sizeBytes: 16 },
      ],
      steps: [
        { type: "copy", from: 0, fromOffset: 0, to: 2, toOffset: 0, sizeBytes: 16 },
        dispatch([read(0, 2, 16), write(1, 1, 16)]),
      ],
    });
    expect(buffersToClear(program)).toEqual([1]);
  });

  it("includes an output that no step writes", () => {
    expect(buffersToClear(copyProgram({ steps: [] }))).toEqual([1]);
  });
});

describe("weightFirstUse()", () => {
  it("orders weights by the step that reads them first and leaves unused ones out", () => {
    const weight = (sizeBytes: number) => ({ type: "weight", sizeBytes, digest }) as const;
    const program = copyProgram({
      buffers: [...copyProgram().buffers, weight(16), weight(32), weight(64)],
      steps: [
        dispatch([read(0, 3, 32), write(1, 1, 16)]),
        dispatch([read(0, 2, 16), write(1, 1, 16)]),
        dispatch([read(0, 3, 32), write(1, 1, 16)]),
      ],
    });
    expect([...weightFirstUse(program)]).toEqual([
      [3, 0],
      [2, 1],
    ]);
  });
});

describe("requirements()", () => {
  it("counts uniforms and storage buffers apart and takes the largest of all steps", () => {
    const program = copyProgram({
      steps: [
        dispatch([read(0, 0, 16), write(1, 1, 16)], [7, 1, 2]),
        {
          type: "repeat",
          count: 2,
          steps: [dispatch([{ ...read(0, 0, 8), access: "uniform", group: 1 }], [1, 9, 1])],
        },
      ],
    });
    expect(requirements(program)).toEqual({
      maxBufferSize: 16,
      maxStorageBufferBindingSize: 16,
      maxUniformBufferBindingSize: 8,
      maxStorageBuffersPerShaderStage: 2,
      maxUniformBuffersPerShaderStage: 1,
      maxBindGroups: 2,
      maxComputeWorkgroupsPerDimension: 9,
    });
  });
});

describe("traffic()", () => {
  it("counts the rounds of a repeat and each weight once", () => {
    const weight = { type: "weight", sizeBytes: 32, digest } as const;
    const program = copyProgram({
      buffers: [...copyProgram().buffers, weight, weight],
      steps: [{ type: "repeat", count: 5, steps: [dispatch([read(0, 2, 32), write(1, 1, 16)])] }],
    });
    expect(traffic(program)).toMatchObject({ dispatches: 5, boundBytes: 5 * 48, weightBytes: 32 });
  });
});

describe("planTakeover()", () => {
  /** Bytes of a slot that a run may see before anything of its own is there. */
  const bytesOf = (program: Program, isCleared: boolean) => {
    const plan = planSlots(program);
    const covered = plan.slotBytes.map((sizeBytes) => new Uint8Array(sizeBytes));
    for (const { slot, offset, sizeBytes } of planTakeover(program, plan, isCleared)) {
      expect(offset % 4, "a clear begins at a word").toBe(0);
      expect(offset + sizeBytes).toBeLessThanOrEqual(plan.slotBytes[slot]!);
      covered[slot]!.fill(1, offset, offset + sizeBytes);
    }
    return { plan, covered };
  };
  /** Inputs have tensors of one word, and buffers of any size. */
  const roomy = anyProgram.map((program) => ({
    ...program,
    inputs: program.inputs.map((input) => ({ ...input, dataType: "float32" as const, shape: [1] })),
  }));

  it("covers each byte of the slots but those of the inputs' tensors", () => {
    fc.assert(
      fc.property(roomy, (program) => {
        const { plan, covered } = bytesOf(program, false);
        for (const { buffer } of program.inputs) covered[plan.slotOf.get(buffer)!]!.fill(2, 0, 4);
        for (const slot of covered) expect(slot).not.toContain(0);
      }),
    );
  });

  it("never covers an input's tensor, which is there before", () => {
    fc.assert(
      fc.property(roomy, fc.boolean(), (program, isCleared) => {
        const { plan, covered } = bytesOf(program, isCleared);
        for (const { buffer } of program.inputs)
          expect(covered[plan.slotOf.get(buffer)!]!.subarray(0, 4)).not.toContain(1);
      }),
    );
  });

  it("leaves to the clears before each run what they clear", () => {
    const program = copyProgram({
      inputs: [{ name: "x", dataType: "float32", shape: [2], buffer: 0 }],
    });
    const plan = planSlots(program);
    const slot = plan.slotOf.get(0)!;
    expect(planTakeover(program, plan, true)).toEqual([{ slot, offset: 8, sizeBytes: 8 }]);
    expect(planTakeover(program, plan, false)).toEqual([
      { slot: 0, offset: slot === 0 ? 8 : 0, sizeBytes: slot === 0 ? 8 : 16 },
      { slot: 1, offset: slot === 1 ? 8 : 0, sizeBytes: slot === 1 ? 8 : 16 },
    ]);
  });
});
