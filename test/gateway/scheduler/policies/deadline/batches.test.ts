import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** A device and f, of which so many rows take so many milliseconds. */
function stageWith(batchLimit: number, knownMs: readonly number[]): Stage {
  const stage = new Stage(deadline);
  stage.device("a");
  const known = knownMs.map((runMs, i) => ({ class: "gpu", batch: i + 1, runMs }));
  stage.function("f", { batchLimit, known }, { runMs: knownMs[0]! });
  return stage;
}

function batches(stage: Stage): (readonly number[])[] {
  return stage.done.flatMap((one) => (one.type === "run" ? [one.requests] : []));
}

const paying = [10, 11, 12, 13];
const together = { batchKey: "k" };

describe("requests of one function", () => {
  it("that wait while another runs go together, up to the limit; the first waits for nobody", () => {
    const stage = stageWith(4, paying);
    for (let i = 0; i < 6; i++) stage.call("f", together);
    stage.until(1_000);
    expect(batches(stage)).toEqual([[1], [2, 3, 4, 5], [6]]);
  });

  it("go one by one where a batch is no faster, and together where it is", () => {
    const even = stageWith(4, [10, 20, 30, 40]);
    for (let i = 0; i < 4; i++) even.call("f", together);
    even.until(1_000);
    expect(batches(even)).toEqual([[1], [2], [3], [4]]);
    // Three of them pay, four do not.
    const three = stageWith(4, [10, 15, 20, 40]);
    for (let i = 0; i < 5; i++) three.call("f", together);
    three.until(1_000);
    expect(batches(three)).toEqual([[1], [2, 3, 4], [5]]);
  });

  it("try a size of which nothing is known, once", () => {
    const stage = new Stage(deadline);
    stage.device("a");
    stage.function("f", { batchLimit: 2, known: [{ class: "gpu", batch: 1, runMs: 5 }] }, { runMs: 10 });
    // The first is slower than was known: two in 10 ms are as long as one by one, and then it is known.
    for (let i = 0; i < 3; i++) stage.call("f", together);
    stage.until(100);
    expect(batches(stage)).toEqual([[1], [2, 3]]);
    stage.function("f", { batchLimit: 2, known: [{ class: "gpu", batch: 2, runMs: 10 }] }, { runMs: 4 });
    for (let round = 1; round < 20; round++) stage.call("f", { at: 100 * round });
    stage.until(3_000);
    const before = batches(stage).length;
    // 4 ms each, and a batch took 10.
    for (let i = 0; i < 3; i++) stage.call("f", together);
    stage.until(4_000);
    expect(
      batches(stage)
        .slice(before)
        .map(({ length }) => length),
    ).toEqual([1, 1, 1]);
  });

  it("make nobody late who would be in time one after another", () => {
    const batchedAt = (deadlines: readonly (number | undefined)[]) => {
      const stage = stageWith(4, [10, 16, 22, 28]);
      stage.call("f");
      for (const one of deadlines)
        stage.call("f", { ...together, ...(one !== undefined && { deadline: one }) });
      stage.until(1_000);
      return batches(stage)
        .slice(1)
        .map(({ length }) => length);
    };
    // The run before ends at 20.
    expect(batchedAt([undefined, undefined, undefined])).toEqual([3]);
    expect(batchedAt([43, 60, 60])).toEqual([3]);
    expect(batchedAt([37, 60, 60])).toEqual([2, 1]);
    expect(batchedAt([31, 60, 60])).toEqual([1, 2]);
    // The second would be in time behind the first.
    expect(batchedAt([39, 41, 60])).toEqual([2, 1]);
  });

  it("never mix keys, never exceed the limit by rows, and each goes once, whatever comes", () => {
    const call = fc.record({
      afterMs: fc.nat(8),
      rows: fc.integer({ min: 1, max: 5 }),
      batchKey: fc.constantFrom(undefined, "k", "k", "l"),
      deadlineMs: fc.constantFrom(undefined, 15, 60),
    });
    let joined = 0;
    fc.assert(
      fc.property(fc.array(call, { minLength: 20, maxLength: 40, size: "max" }), (calls) => {
        const stage = stageWith(4, paying);
        let at = 0;
        for (const { afterMs, rows, batchKey, deadlineMs } of calls) {
          at += afterMs;
          stage.call("f", {
            ...{ at, rows },
            ...(batchKey !== undefined && { batchKey }),
            ...(deadlineMs !== undefined && { deadline: at + deadlineMs }),
          });
        }
        stage.until(10_000);
        for (const batch of batches(stage)) {
          const all = batch.map((id) => calls[id - 1]!);
          if (all.length === 1) continue;
          joined++;
          expect(new Set(all.map(({ batchKey }) => batchKey)).size).toBe(1);
          expect(all[0]!.batchKey).toBeDefined();
          expect(all.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(4);
        }
        expect(
          batches(stage)
            .flat()
            .toSorted((a, b) => a - b),
        ).toEqual(calls.map((_, i) => i + 1));
      }),
      { numRuns: 40, seed: 1 },
    );
    expect(joined).toBeGreaterThan(40);
  });
});
