import { describe, expect, test } from "vitest";
import type { BatchGroup, PreparedProgram } from "../../../../gateway/functions/prepared-call.ts";
import { DeviceBench, readyBatches } from "../../../../gateway/functions/profile/device-bench.ts";
import { watchOthers } from "../../../../gateway/functions/profile/others-work.ts";
import { fakeDevices, functionOn, program, settled } from "../../devices/fake-devices.ts";

const never = new AbortController().signal;

/** Sizes become ready when they are wanted, up to a largest that compiles. */
class FakeGroup implements BatchGroup {
  readonly key = "group";
  maxRows = 16;
  readonly wanted: number[] = [];
  readonly merged: number[] = [];
  readonly #largest: number;
  readonly #ready: number[];

  constructor(largest: number, ready: number[] = []) {
    this.#largest = largest;
    this.#ready = ready;
  }

  readySizes(): readonly number[] {
    return this.#ready;
  }

  sizeFor(rows: number): number | undefined {
    return this.#ready.find((size) => size >= rows);
  }

  async want(rows: number): Promise<void> {
    this.wanted.push(rows);
    if (rows <= this.#largest) this.#ready.push(rows);
    else this.maxRows = this.#largest;
  }

  merge(calls: readonly PreparedProgram[]) {
    this.merged.push(calls.length);
    return { program: program(`of-${calls.length}`, 1), inputs: [], rows: calls.length, split: () => [] };
  }
}

const callOf = (group?: BatchGroup, rows = 1): PreparedProgram => ({
  ...{ type: "program", program: program("one", 1), inputs: [], keep: undefined, outputs: [] },
  wanted: undefined,
  batch: group && { group, rows },
});

describe("readyBatches()", () => {
  const ready = (call: PreparedProgram, wanted: readonly number[]) =>
    readyBatches(call, wanted, never, () => {});

  test("has sizes compiled that are not ready, and says which there are not", async () => {
    const group = new FakeGroup(4, [2]);
    expect(await ready(callOf(group), [1, 2, 4, 8, 16])).toEqual({
      batches: [1, 2, 4],
      notes: ["no run takes 8, 16 calls"],
    });
    // The first that fails bounds the others.
    expect(group.wanted).toEqual([4, 8]);
  });

  test("asks for rows: calls may have several", async () => {
    const group = new FakeGroup(16);
    expect((await ready(callOf(group, 4), [2, 4, 8])).batches).toEqual([1, 2, 4]);
    expect(group.wanted).toEqual([8, 16]);
  });

  test("does not take a run that would be less than half full", async () => {
    const group = new FakeGroup(0, [8]);
    expect((await ready(callOf(group), [2, 8])).batches).toEqual([1, 8]);
  });

  test("has single calls only where they cannot run together", async () => {
    expect(await ready(callOf(), [1, 2])).toEqual({ batches: [1], notes: ["its calls run alone"] });
    expect(await ready(callOf(), [1])).toEqual({ batches: [1], notes: [] });
  });

  test("stops waiting for a compilation when it is told to", async () => {
    const group = new FakeGroup(16);
    group.want = () => new Promise(() => {});
    const stop = new AbortController();
    const waiting = readyBatches(callOf(group), [2], stop.signal, () => {});
    stop.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
  });
});

describe("DeviceBench", () => {
  test("runs on its own device alone, and others' runs there are what it sees of them", async () => {
    const { links, set } = fakeDevices(2);
    const bench = new DeviceBench({
      call: callOf(new FakeGroup(4, [2])),
      device: functionOn(set, "f"),
      member: set.devices[1]!,
      batches: [1, 2],
      signal: never,
      check: () => {},
    });
    const end = async (id: string) => {
      await settled();
      links[1]!.end(id);
    };
    const othersMs = bench.watchOthers();
    const one = bench.run(1);
    await end("one");
    expect(await one).toEqual({ executeMs: 1 });
    const two = bench.run(2);
    await end("of-2");
    await two;
    expect(links[0]!.told).toEqual([]);
    expect(othersMs()).toBe(0);
    const other = set.runOn(1, functionOn(set, "g").owner, program("other", 1), []);
    await end("other");
    await other;
    expect(othersMs()).toBe(1);
  });

  test("runs nothing once there is to be nothing", async () => {
    const { links, set } = fakeDevices(1);
    const check = () => {
      throw new Error("removed");
    };
    const parts = { call: callOf(), device: functionOn(set, "f"), member: set.devices[0]!, signal: never };
    await expect(new DeviceBench({ ...parts, batches: [1], check }).run(1)).rejects.toThrow("removed");
    expect(links[0]!.told).toEqual([]);
  });
});

describe("watchOthers()", () => {
  test("counts what others run of the same Program, and what came meanwhile", () => {
    const all = [{ id: "a", uses: 10, estimate: { executeMs: 2 } }];
    const own = new Map([["a", 4]]);
    const othersMs = watchOthers(() => all, own);
    own.set("a", 7);
    all[0]!.uses = 15;
    all.push({ id: "b", uses: 3, estimate: { executeMs: 10 } });
    expect(othersMs()).toBe((5 - 3) * 2 + 3 * 10);
  });
});
