/** Calls that run together on a real device, compared with the same calls alone. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../kernels/tensor.ts";
import { compareTensors } from "../../../models/verify/compare.ts";
import { gatewayFor, storedBlobs } from "../../e2e/running-gateway.ts";
import {
  acrossRowsModel,
  denseModel,
  leakRows,
  modelWithBatch,
  reshapingModel,
  rowBundle,
  scaleRows,
  statisticsModel,
} from "../../e2e/small-batches.ts";
import { timesShader } from "../../e2e/small-functions.ts";
import { floats } from "../../e2e/tensors.ts";
import { bytesOf, DeployedServable, groupOf } from "./deployed-servable.ts";

const server = gatewayFor("all tests");

async function deployed(name: string, upload: Uint8Array | string): Promise<DeployedServable> {
  await server.client.mustDeploy(name, upload);
  return DeployedServable.open(server, name);
}

/** Rows of 6 numbers that differ with the seed. */
function rows(seed: number, count = 1): Tensor {
  return floats(
    [count, 6],
    Array.from({ length: 6 * count }, (_, i) => Math.cos(7 * seed + i)),
  );
}

/** Has the size that holds so many rows compiled, as load would. */
async function want(f: DeployedServable, count: number): Promise<void> {
  await groupOf(await f.prepare({ x: rows(0) })).want(count);
}

function expectClose(actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, data] of expected.entries()) {
    expect(actual[i]!.byteLength).toBe(data.byteLength);
    const reference = { dataType: "float32", shape: [data.byteLength / 4], data } as const;
    expect(compareTensors(actual[i]!, reference, 4).firstBad).toBeUndefined();
  }
}

describe("calls of a model", () => {
  test.each([
    ["a free batch", "free", denseModel("n")],
    ["a batch fixed at one", "fixed", reshapingModel()],
  ])("with %s run together and get what they get alone", async (_, name, model) => {
    const f = await deployed(name, model);
    expect(f.servable.batching).toEqual({ type: "untried", maxRows: 16 });
    const calls = await Promise.all([1, 2, 3].map((seed) => f.prepare({ x: rows(seed) })));
    const { group } = calls[0]!.batch!;
    expect(calls.map(({ batch }) => batch!.group.key)).toEqual(calls.map(() => group.key));
    expect(group.readySizes()).toEqual([]);
    expect(group.sizeFor(2)).toBeUndefined();
    expect(() => group.merge(calls)).toThrow("There is no run of 3 rows: none are ready");

    await group.want(3);
    expect(group.readySizes()).toEqual([4]);
    expect(group.sizeFor(3)).toBe(4);
    expect(group.merge(calls).rows).toBe(4);
    const alone = await Promise.all(calls.map((call) => f.runAlone(call)));
    const together = await f.runMerged(calls);
    for (const [i, outputs] of together.entries()) {
      expect(outputs.map(({ name: output, tensor }) => [output, tensor.shape])).toEqual([["y", [1, 4]]]);
      expectClose(bytesOf(outputs), bytesOf(alone[i]!));
    }
    expect(bytesOf(together[0]!)).not.toEqual(bytesOf(together[1]!));
    expect(f.servable.batching).toEqual({ type: "proven", maxRows: 16, sizes: [4] });
  });

  test("of several rows add up, and a call that fills the largest run goes alone", async () => {
    const f = await deployed("several", modelWithBatch(denseModel("n"), { max: 4 }));
    await want(f, 4);
    const calls = await Promise.all([f.prepare({ x: rows(1) }), f.prepare({ x: rows(2, 3) })]);
    expect(calls.map(({ batch }) => batch!.rows)).toEqual([1, 3]);
    const together = await f.runMerged(calls);
    expect(together.map(([y]) => y!.tensor.shape)).toEqual([
      [1, 4],
      [3, 4],
    ]);
    for (const [i, call] of calls.entries())
      expectClose(bytesOf(together[i]!), bytesOf(await f.runAlone(call)));
    expect(() => groupOf(calls[0]!).merge([...calls, calls[0]!])).toThrow(
      "There is no run of 5 rows: 4 are ready",
    );
    const full = await f.prepare({ x: rows(1, 4) });
    expect(full.batch).toBeUndefined();
    // Compiled once for both.
    expect(full.program.id).toBe(groupOf(calls[0]!).merge(calls).program.id);
  });

  test("get the outputs that they ask for, and those that stay on the device go alone", async () => {
    const f = await deployed("chosen", denseModel("n"));
    const inputs = { x: rows(1) };
    expect((await f.prepare(inputs)).batch).toBeDefined();
    expect((await f.prepare(inputs, { outputs: ["y"] })).batch).toBeDefined();
    // Outputs of more than 16 KiB stay.
    const large = { x: rows(1, 1200) };
    const kept = await f.prepare(large, { keep: "all" });
    expect(kept.keep).toEqual([true]);
    expect(kept.batch).toBeUndefined();
    const [y] = await f.runAlone(kept);
    expect(y).toMatchObject({ tensor: { held: expect.anything() } });
  }, 120_000);

  test("store and load no weight twice, and a restarted gateway compiles nothing again", async () => {
    const f = await deployed("weights", denseModel("n"));
    await f.servable.run({ inputs: { x: rows(1) }, parameters: {}, signal: new AbortController().signal });
    const before = (await storedBlobs(server.folder)).length;
    await want(f, 2);
    expect((await storedBlobs(server.folder)).length).toBe(before);
    const { source } = f.record();
    if (source.type !== "onnx") throw new Error("no model");
    const [single] = source.variants;
    expect(source.batches).toMatchObject([{ type: "program", rows: 2, dimensions: { n: 1 } }]);
    expect(source.batches![0]).toMatchObject({ weights: (single as { weights: string[] }).weights });

    await server.restart();
    const { batching } = (await server.client.status("weights")).current;
    expect(batching).toEqual({ type: "proven", maxRows: 16, sizes: [2] });
    const again = await DeployedServable.open(server, "weights");
    const calls = await Promise.all([1, 2].map((seed) => again.prepare({ x: rows(seed) })));
    await expect.poll(() => groupOf(calls[0]!).readySizes()).toEqual([2]);
    expect(await again.runMerged(calls)).toHaveLength(2);
    expect(server.started).not.toContain("compiler");
  });
});

describe("a model whose rows depend on each other", () => {
  test.each([
    ["softmax", acrossRowsModel("n")],
    ["softmax-of-one", acrossRowsModel(1)],
    ["statistics", statisticsModel()],
  ])("runs each call alone, and its status says why (%s)", async (name, model) => {
    const f = await deployed(name, model);
    const call = await f.prepare({ x: rows(1) });
    await groupOf(call).want(2);
    expect(f.servable.batching).toEqual({
      type: "none",
      reason: expect.stringMatching(/output 'y' of row \d differs from what the row gives alone/),
    });
    expect((await f.prepare({ x: rows(1) })).batch).toBeUndefined();
    expect(groupOf(call).readySizes()).toEqual([]);
    expect(groupOf(call).maxRows).toBe(1);
    // Remembered.
    const reopened = await DeployedServable.open(server, name);
    expect(reopened.servable.batching).toEqual(f.servable.batching);
    expect(bytesOf(await f.runAlone(call))).toHaveLength(1);
  });
});

describe("batch in a model's manifest", () => {
  test("false turns it off", async () => {
    const f = await deployed("off", modelWithBatch(denseModel("n"), false));
    expect((await f.prepare({ x: rows(1) })).batch).toBeUndefined();
    expect((await server.client.status("off")).current.batching).toEqual({
      type: "none",
      reason: "its manifest turns it off",
    });
  });

  test.each([
    [{ max: 1 }, /batch\.max: expected at least 2 rows/],
    [{ max: 2.5 }, /batch\.max: expected a whole number/],
    [{ most: 4 }, /batch\.most/],
    [true, /batch: /],
  ])("%j is refused", async (batch, reason) => {
    const answer = await server.client.deploy("refused", modelWithBatch(denseModel("n"), batch));
    expect(answer).toMatchObject({
      status: 400,
      body: { code: "INVALID_BUNDLE", error: expect.stringMatching(reason) },
    });
  });
});

describe("calls of a bundle", () => {
  const w = floats([6], [1, 2, 3, 4, 5, 6]);

  test("run together and get bit by bit what they get alone", async () => {
    const f = await deployed("scale", rowBundle(scaleRows, { dimension: "rows", max: 8 }));
    expect((await server.client.status("scale")).current.batching).toEqual({ type: "proven", maxRows: 8 });
    const calls = await Promise.all([f.prepare({ x: rows(1), w }), f.prepare({ x: rows(2, 3), w })]);
    const group = groupOf(calls[0]!);
    expect([group.readySizes(), group.sizeFor(8), group.sizeFor(9)]).toEqual(["any", 8, undefined]);
    expect(group.merge(calls).rows).toBe(4);
    const together = await f.runMerged(calls);
    for (const [i, call] of calls.entries()) expect(together[i]).toEqual(await f.runAlone(call));
    expect(together.map(([y]) => y!.tensor.shape)).toEqual([
      [1, 6],
      [3, 6],
    ]);
    expect((await f.prepare({ x: rows(1, 8), w })).batch).toBeUndefined();
  });

  test("have one key where all but the rows is equal, and no other", async () => {
    const f = await deployed("keys", rowBundle(scaleRows, { dimension: "rows" }));
    const keyOf = async (x: Tensor, shared: Tensor, factor = 1) =>
      groupOf(await f.prepare({ x, w: shared }, { parameters: { factor } })).key;
    const key = await keyOf(rows(1), w);
    expect(await keyOf(rows(2, 5), floats([6], [1, 2, 3, 4, 5, 6]))).toBe(key);
    expect(await keyOf(rows(1), floats([6], [1, 2, 3, 4, 5, 7]))).not.toBe(key);
    expect(await keyOf(rows(1), w, 2)).not.toBe(key);
    expect(await keyOf(floats([1, 2], [1, 2]), floats([2], [1, 2]))).not.toBe(key);
    const same = await deployed("keys-too", rowBundle(scaleRows, { dimension: "rows" }));
    const call = await f.prepare({ x: rows(1), w });
    const foreign = await same.prepare({ x: rows(1), w });
    expect(groupOf(foreign).key).not.toBe(key);
    expect(() => groupOf(call).merge([call, foreign])).toThrow("calls of another group");
  });

  test("that are not alike row by row are found at deploy", async () => {
    const bundle = rowBundle(leakRows, { dimension: "rows" });
    expect(await server.client.deploy("leak", bundle)).toMatchObject({
      status: 400,
      body: {
        code: "INVALID_BUNDLE",
        error: expect.stringContaining("output 'y' of a call is another when it runs with others"),
      },
    });
    expect(await server.client.deploy("leak", rowBundle(leakRows, false))).toMatchObject({ status: 201 });
    expect((await server.client.status("leak")).current).not.toHaveProperty("batching");
  });

  test("without a batch in the manifest go alone", async () => {
    const f = await deployed("plain", timesShader(2));
    expect((await f.prepare({ x: floats([2], [1, 2]) })).batch).toBeUndefined();
  });
});
