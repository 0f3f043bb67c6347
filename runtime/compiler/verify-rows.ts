/**
 * Whether the rows of a batch keep to themselves: a Program that takes several examples is run on mixed ones, and what a
 * row gives must not change by a bit with the rows beside it. Callers who know nothing of each other share such a run.
 */
import type { Program } from "../../kernels/program/program.ts";
import { type DataType, elementBytes, type Tensor } from "../../kernels/tensor.ts";
import { eachRow, joinTensors } from "../../kernels/tensor-rows.ts";
import type { DeviceApi, LoadOptions } from "../device/api.ts";
import type { VerificationCase } from "./cases.ts";
import { slowReplayMs } from "./verify.ts";

const id = "rows";

/**
 * Replaces about half of the rows at a time, so that each two rows differ in whether they are replaced at least once: by
 * rows of another case, then by NaN and infinities. Of a model whose replay is slow, every other row once.
 * @param cases two of the same number of rows, at least two.
 * @returns in words which output changes; undefined where none does.
 */
export async function findInterference(
  device: DeviceApi,
  program: Program,
  [first, second]: readonly [VerificationCase, VerificationCase],
  options: LoadOptions,
): Promise<string | undefined> {
  const own = rowsOf(first.inputs);
  const others = rowsOf(second.inputs);
  const rows = own.length;
  const run = async (inputs: readonly Tensor[]) =>
    (await device.run({ program: id, inputs: inputs.map(({ data }) => data) })).outputs;
  await device.load(id, program, options);
  try {
    const startedAt = performance.now();
    const alone = await run(first.inputs);
    const isSlow = performance.now() - startedAt > slowReplayMs;
    const all = replacements(rows, others, own);
    for (const { isReplaced, by } of isSlow ? all.take(1) : all) {
      const mixed = own.map((row, i) => (isReplaced(i) ? by[i]! : row));
      const outputs = await run(joinInputs(mixed));
      for (const [i, { name }] of program.outputs.entries()) {
        const changed = own.findIndex(
          (_, row) => !isReplaced(row) && !isSame(outputs[i]!, alone[i]!, row, rows),
        );
        if (changed >= 0) return `row ${changed} of output '${name}' changes with the rows beside it`;
      }
    }
    return undefined;
  } finally {
    await device.unload(id);
  }
}

type Row = readonly Tensor[];

interface Replacement {
  readonly isReplaced: (row: number) => boolean;
  readonly by: readonly Row[];
}

function* replacements(rows: number, others: readonly Row[], own: readonly Row[]): Generator<Replacement> {
  for (let bit = 1; bit < rows; bit *= 2) {
    yield { isReplaced: (row) => (row & bit) !== 0, by: others };
    yield { isReplaced: (row) => (row & bit) === 0, by: others };
  }
  const unruly = own.map((row) => row.map(withoutNumbers));
  yield { isReplaced: (row) => (row & 1) !== 0, by: unruly };
  yield { isReplaced: (row) => (row & 1) === 0, by: unruly };
}

/** By row, then by input. */
function rowsOf(inputs: readonly Tensor[]): readonly Row[] {
  const columns = inputs.map(eachRow);
  return columns[0]!.map((_, row) => columns.map((column) => column[row]!));
}

function joinInputs(rows: readonly Row[]): readonly Tensor[] {
  return rows[0]!.map((_, i) => joinTensors(rows.map((row) => row[i]!)));
}

function isSame(left: Uint8Array, right: Uint8Array, row: number, rows: number): boolean {
  const rowBytes = left.byteLength / rows;
  const of = (bytes: Uint8Array) => bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
  const expected = of(right);
  return of(left).every((byte, i) => byte === expected[i]);
}

const unrulyValues: Partial<Record<DataType, (length: number) => ArrayBufferView<ArrayBuffer>>> = {
  float16: (length) => Float16Array.from({ length }, unrulyValue),
  float32: (length) => Float32Array.from({ length }, unrulyValue),
  float64: (length) => Float64Array.from({ length }, unrulyValue),
};

/** Whole numbers stay: they may be indices. */
function withoutNumbers(tensor: Tensor): Tensor {
  const make = unrulyValues[tensor.dataType];
  if (make === undefined) return tensor;
  const { buffer } = make(tensor.data.byteLength / elementBytes[tensor.dataType]);
  return { ...tensor, data: new Uint8Array(buffer) };
}

function unrulyValue(_: unknown, i: number): number {
  return [NaN, Infinity, -Infinity][i % 3]!;
}
