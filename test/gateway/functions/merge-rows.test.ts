/** Calls as rows of one run, with a run that computes row by row in JavaScript. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { ManagedRun } from "../../../gateway/devices/managed-runs.ts";
import { mergeInput, sharesOf, splitRun } from "../../../gateway/functions/merge-rows.ts";
import type { BatchGroup, PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
import type { DataType } from "../../../kernels/tensor.ts";

const group = { key: "one" } as BatchGroup;
const timing = { loadMs: 0, queueMs: 0, encodeMs: 0, executeMs: 0 };

function call(...inputs: readonly Uint8Array[]): PreparedProgram {
  const program = {
    id: "p",
    weights: [],
    isDivisible: false,
    options: { writesBeforeReads: true },
    readJson: async () => new Uint8Array(),
  };
  const rows = inputs[0]!.byteLength / 2;
  const rest = { keep: undefined, outputs: [], wanted: undefined };
  return { type: "program", program, inputs, ...rest, batch: { group, rows } };
}

const spec = (rows: number, columns = 2, dataType: DataType = "uint8") => ({
  ...{ name: "x", dataType, buffer: 0 },
  shape: [rows, columns],
});

const runOf = (...outputs: readonly Uint8Array[]): ManagedRun => ({ outputs, timing }) as ManagedRun;

/** Calls of one to four rows of two bytes, marked by who calls. */
const callers = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 });
const inputOf = (caller: number, rows: number) => new Uint8Array(2 * rows).fill(caller + 1);

test("no call gets a byte of another, nor of rows that fill the run up", () => {
  fc.assert(
    fc.property(callers, fc.nat(6), (counts, more) => {
      const calls = counts.map((rows, caller) => call(inputOf(caller, rows)));
      const shares = sharesOf(calls, "one");
      const rows = counts.reduce((sum, count) => sum + count, 0) + more;
      const merged = mergeInput(calls, 0, spec(rows));
      // Three bytes of output for two of input, each the caller's.
      const computed = Uint8Array.from({ length: 3 * rows }, (_, i) => merged[2 * Math.floor(i / 3)]!);
      const parts = splitRun(runOf(computed), [spec(rows, 3)], shares);
      for (const [caller, { outputs }] of parts.entries()) {
        const [output] = outputs as [Uint8Array];
        expect(output.byteLength).toBe(3 * counts[caller]!);
        expect(output.every((byte) => byte === caller + 1)).toBe(true);
        // Not even behind the view.
        expect(output.buffer.byteLength).toBe(output.byteLength);
      }
    }),
  );
});

test("each call gets the parts of all outputs, and the timing of the run", () => {
  const calls = [call(Uint8Array.of(1, 2)), call(Uint8Array.of(3, 4))];
  const run = runOf(Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6));
  expect(splitRun(run, [spec(2), spec(2, 1)], sharesOf(calls, "one"))).toEqual([
    { outputs: [Uint8Array.of(1, 2), Uint8Array.of(5)], timing },
    { outputs: [Uint8Array.of(3, 4), Uint8Array.of(6)], timing },
  ]);
});

test("calls of another group, calls that go alone, no calls and device tensors are refused", () => {
  const one = call(Uint8Array.of(1, 2));
  expect(sharesOf([one, one], "one")).toEqual([1, 1]);
  const foreign = { ...one, batch: { group: { key: "two" } as BatchGroup, rows: 1 } };
  expect(() => sharesOf([one, foreign], "one")).toThrow("calls of another group");
  expect(() => sharesOf([one, { ...one, batch: undefined }], "one")).toThrow("calls of another group");
  expect(() => sharesOf([], "one")).toThrow("no call to merge");
  const held = { ...one, inputs: [{ id: "t", sizeBytes: 2, generation: 1, device: "gpu0" }] };
  expect(() => mergeInput([one, held], 0, spec(2))).toThrow("Tensors of the device");
  expect(() => mergeInput([one, one, one], 0, spec(2))).toThrow("more than 2 rows");
});
