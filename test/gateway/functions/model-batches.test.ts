/** Which sizes are compiled when, and what is remembered, with compilations that the test ends. */
import { describe, expect, test } from "vitest";
import {
  batchSizes,
  ModelBatches,
  type ModelBatchesOptions,
} from "../../../gateway/functions/model-batches.ts";
import type { ModelProgram } from "../../../gateway/functions/model-program.ts";
import type { BatchVariant } from "../../../gateway/functions/record.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import type { BatchOf } from "../../../models/batch-axis.ts";

const digest = "0".repeat(64);
const inputs: ModelProgram["inputs"] = [{ name: "x", dataType: "float32", shape: [1, 2], buffer: 0 }];
const program: ModelProgram = { inputs, outputs: [], stored: {} as ModelProgram["stored"] };
const nothing = { [Symbol.dispose]: () => {} };

const compiled = { program: digest, weights: [], maxAbsoluteError: 0, writesBeforeReads: true };
type Sizes = Readonly<Record<string, number>>;
const proven = (dimensions: Sizes, rows: number): BatchVariant => ({
  type: "program",
  dimensions,
  rows,
  ...compiled,
});
const refused = (dimensions: Sizes, rows: number, isDependent: boolean): BatchVariant => ({
  type: "refused",
  dimensions,
  rows,
  reason: `not ${rows}`,
  isDependent,
});

interface Asked {
  readonly dimensions: Sizes;
  readonly batch: BatchOf;
}

/** @param answer what becomes of a compilation. */
function batches(
  answer: (asked: Asked) => BatchVariant | Promise<BatchVariant> = ({ dimensions, batch }) =>
    proven(dimensions, batch.rows),
  options: Partial<ModelBatchesOptions> = {},
) {
  const asked: Asked[] = [];
  const troubles: unknown[] = [];
  let saved: readonly BatchVariant[] = [];
  const tested: ModelBatches = new ModelBatches({
    axis: { type: "free", dimension: "n" },
    settings: undefined,
    records: [],
    compile: async (dimensions, batch) => {
      asked.push({ dimensions, batch });
      return answer({ dimensions, batch });
    },
    open: async () => program,
    save: async () => {
      saved = tested.records;
    },
    hold: () => nothing,
    onTrouble: (error) => troubles.push(error),
    ...options,
  });
  const groupFor = (dimensions: Sizes) => tested.shareFor(dimensions, inputs)!.group;
  return { tested, asked, troubles, groupFor, saved: () => saved };
}

test("batchSizes() are the powers of two below the largest, and the largest", () => {
  expect(batchSizes(16)).toEqual([2, 4, 8, 16]);
  expect(batchSizes(12)).toEqual([2, 4, 8, 12]);
  expect(batchSizes(2)).toEqual([2]);
});

describe("a wish", () => {
  test("has the smallest size compiled that holds the rows, once", async () => {
    const { groupFor, asked, saved, tested } = batches();
    const group = groupFor({ n: 1, words: 8 });
    await group.want(3);
    expect(asked).toEqual([{ dimensions: { n: 1, words: 8 }, batch: { rows: 4, dimension: "n" } }]);
    expect(group.readySizes()).toEqual([4]);
    expect([1, 4, 5].map((rows) => group.sizeFor(rows))).toEqual([4, 4, undefined]);
    expect(saved()).toEqual([proven({ n: 1, words: 8 }, 4)]);
    await group.want(4);
    expect(asked).toHaveLength(1);
    await group.want(100);
    expect(asked.at(-1)!.batch.rows).toBe(16);
    expect(tested.status).toEqual({ type: "proven", maxRows: 16, sizes: [4, 16] });
  });

  test("waits for the compilation that is under way, and starts no other", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { groupFor, asked } = batches(async ({ dimensions, batch }) => {
      await promise;
      return proven(dimensions, batch.rows);
    });
    const one = groupFor({ n: 1, words: 8 });
    const other = groupFor({ n: 1, words: 9 });
    const wishes = [one.want(2), one.want(4), other.want(2)];
    expect(asked).toHaveLength(1);
    resolve();
    await Promise.all(wishes);
    expect([one.readySizes(), other.readySizes()]).toEqual([[2], []]);
    await other.want(2);
    expect(other.readySizes()).toEqual([2]);
  });

  test("has nothing compiled once the function is disposed of", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { tested, groupFor, asked, saved } = batches(async ({ dimensions, batch }) => {
      await promise;
      return proven(dimensions, batch.rows);
    });
    const group = groupFor({ n: 1 });
    const wish = group.want(2);
    tested.dispose();
    resolve();
    await wish;
    await group.want(4);
    expect(asked).toHaveLength(1);
    expect(saved()).toEqual([]);
    expect(group.readySizes()).toEqual([]);
  });
});

describe("shareFor()", () => {
  test("counts a call's rows, and joins calls whose other sizes are equal", () => {
    const { tested } = batches();
    const share = (dimensions: Sizes) => tested.shareFor(dimensions, inputs)!;
    expect(share({ n: 3, words: 8 }).rows).toBe(3);
    expect(share({ n: 3, words: 8 }).group).toBe(share({ n: 1, words: 8 }).group);
    expect(share({ n: 1, words: 9 }).group.key).not.toBe(share({ n: 1, words: 8 }).group.key);
    expect(batches().tested.shareFor({ n: 1, words: 8 }, inputs)!.group.key).not.toBe(
      share({ n: 1, words: 8 }).group.key,
    );
    const other = [{ ...inputs[0]!, dataType: "int32" as const }];
    expect(tested.shareFor({ n: 1, words: 8 }, other)!.group.key).not.toBe(
      share({ n: 1, words: 8 }).group.key,
    );
  });

  test("counts one row where the model fixes it, and asks for rows without a name", async () => {
    const { groupFor, tested, asked } = batches(undefined, { axis: { type: "fixed" } });
    expect(tested.shareFor({}, inputs)!.rows).toBe(1);
    await groupFor({}).want(2);
    expect(asked).toEqual([{ dimensions: {}, batch: { rows: 2 } }]);
  });

  test("gives nothing where the manifest or the signature says so", () => {
    const off = batches(undefined, { settings: false }).tested;
    expect(off.shareFor({ n: 1 }, inputs)).toBeUndefined();
    expect(off.status).toEqual({ type: "none", reason: "its manifest turns it off" });
    const scalar = batches(undefined, { axis: { type: "none", reason: "it takes no inputs" } }).tested;
    expect(scalar.shareFor({}, inputs)).toBeUndefined();
    expect(scalar.status).toEqual({ type: "none", reason: "it takes no inputs" });
  });
});

describe("what is refused", () => {
  test("because rows depend on each other ends all batches, also those that were ready", async () => {
    const { tested, groupFor, saved } = batches(({ dimensions, batch: { rows } }) =>
      rows === 2 ? proven(dimensions, 2) : refused(dimensions, rows, true),
    );
    const group = groupFor({ n: 1 });
    await group.want(2);
    expect(group.sizeFor(2)).toBe(2);
    await group.want(4);
    expect(tested.status).toEqual({ type: "none", reason: "not 4" });
    expect([group.maxRows, group.readySizes(), group.sizeFor(2)]).toEqual([1, [], undefined]);
    expect(tested.shareFor({ n: 1 }, inputs)).toBeUndefined();
    expect(batches(undefined, { records: saved() }).tested.status).toEqual(tested.status);
  });

  test("for another reason bounds the size for calls of these sizes, and is not tried again", async () => {
    const { tested, groupFor, asked } = batches(({ dimensions, batch: { rows } }) =>
      rows >= 8 && dimensions.words === 8 ? refused(dimensions, rows, false) : proven(dimensions, rows),
    );
    const group = groupFor({ n: 1, words: 8 });
    await group.want(8);
    expect(group.maxRows).toBe(4);
    await group.want(8);
    expect(asked.map(({ batch }) => batch.rows)).toEqual([8, 4]);
    await group.want(8);
    expect(asked).toHaveLength(2);
    expect(tested.status).toEqual({ type: "proven", maxRows: 16, sizes: [4] });
    expect(groupFor({ n: 1, words: 9 }).maxRows).toBe(16);
  });

  test("at the smallest size is none at all", async () => {
    const { tested, groupFor } = batches(({ dimensions, batch: { rows } }) =>
      refused(dimensions, rows, false),
    );
    await groupFor({ n: 1 }).want(2);
    expect(tested.status).toEqual({ type: "none", reason: "not 2" });
  });

  test("by what has nothing to do with the model is not kept", async () => {
    const { tested, groupFor, saved, asked } = batches(() => {
      throw new DawnletError("UNAVAILABLE", "the disk is full");
    });
    const group = groupFor({ n: 1 });
    await group.want(4);
    expect(group.maxRows).toBe(2);
    expect(saved()).toEqual([]);
    expect(tested.records).toEqual([]);
    await group.want(4);
    expect(asked.map(({ batch }) => batch.rows)).toEqual([4, 2]);
  });
});

describe("after a restart", () => {
  const records = [
    proven({ n: 1, words: 8 }, 2),
    proven({ n: 1, words: 8 }, 4),
    proven({ n: 1, words: 9 }, 8),
  ];

  test("what was compiled is ready soon, and compiled no more", async () => {
    const { groupFor, asked } = batches(undefined, { records });
    const group = groupFor({ n: 3, words: 8 });
    await group.want(2);
    await expect.poll(() => group.readySizes()).toEqual([2, 4]);
    expect(asked).toEqual([]);
  });

  test("what is damaged is told, and the rest is ready", async () => {
    const { groupFor, troubles } = batches(undefined, {
      records: records.map((one) => (one.rows === 2 ? { ...one, program: "1".repeat(64) } : one)),
      open: async (variant) => {
        if (variant.program !== digest) throw new DawnletError("CORRUPT_DATA", "it is damaged");
        return program;
      },
    });
    const group = groupFor({ n: 1, words: 8 });
    await expect.poll(() => group.readySizes()).toEqual([4]);
    expect(troubles).toHaveLength(1);
  });

  test("a single call of as many rows is served by the batch's Program", () => {
    const { tested } = batches(undefined, { records });
    expect(tested.variantFor({ n: 4, words: 8 })).toBe(records[1]);
    expect(tested.variantFor({ n: 4, words: 9 })).toBeUndefined();
    expect(tested.variantFor({ n: 1, words: 8 })).toBeUndefined();
  });
});
