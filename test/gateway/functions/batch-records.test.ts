/** Batches in a version's record: what they need, and what becomes of damaged ones. */
import { expect, test } from "vitest";
import { findDamage, healedRecord } from "../../../gateway/functions/damage.ts";
import { type OnnxSource, parseVersionRecord, reachableFrom } from "../../../gateway/functions/record.ts";

const digestOf = (digit: string) => digit.repeat(64);
const [upload, weight, single, two, four] = ["a", "b", "1", "2", "4"].map(digestOf) as [
  string,
  string,
  string,
  string,
  string,
];
const compiled = (program: string) => ({
  type: "program" as const,
  dimensions: { n: 1 },
  program,
  weights: [weight],
  maxAbsoluteError: 0,
  writesBeforeReads: true,
});
const source: OnnxSource = {
  type: "onnx",
  model: upload,
  files: {},
  modelBytes: 1,
  dimensions: ["n"],
  variants: [compiled(single)],
  batches: [
    { ...compiled(two), rows: 2 },
    { ...compiled(four), rows: 4 },
    { type: "refused", dimensions: { n: 1 }, rows: 8, reason: "it took too long", isDependent: false },
  ],
};
const record = (onnx: OnnxSource) =>
  parseVersionRecord({
    format: 1,
    digest: upload,
    createdAt: "2026-01-02T00:00:00.000Z",
    sizeBytes: 1,
    signature: { inputs: [], outputs: [], parameters: [] },
    source: onnx,
    batch: { max: 8 },
  });

test("a version needs the Programs of its batches", () => {
  expect(record(source).source).toEqual(source);
  expect(new Set(reachableFrom(record(source)))).toEqual(new Set([upload, weight, single, two, four]));
  const { batches: _, ...without } = source;
  expect(new Set(reachableFrom(record(without)))).toEqual(new Set([upload, weight, single]));
});

test("a damaged batch is looked for among the Programs and left out of a healed record", async () => {
  const asked: string[] = [];
  const intact = { isIntact: async (digest: string) => digest !== four };
  const store = {
    programs: { isIntact: async (digest: string) => asked.push(digest) > 0 && intact.isIntact(digest) },
    blobs: intact,
  };
  const damage = await findDamage(store as unknown as Parameters<typeof findDamage>[0], record(source));
  expect(damage).toEqual(new Set([four]));
  expect(asked.sort()).toEqual([single, two, four].sort());
  const { batches: _, ...again } = source;
  const healed = healedRecord(record(source), record(again), damage);
  expect(healed.source).toEqual({ ...source, batches: source.batches!.filter(({ rows }) => rows !== 4) });
});
