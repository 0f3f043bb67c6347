/**
 * Sessions of ONNX Runtime in processes of their own: opened ahead, kept, and heard of when they end; how many there are,
 * whose, and for how long a run may keep one.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import type { Tensors } from "../../../kernels/tensor.ts";
import type { ChildProcess, Platform } from "../../../runtime/platform/platform.ts";
import {
  type SessionModel,
  SessionProcesses,
  type SessionProcessesOptions,
} from "../../../runtime/supervisor/session-processes.ts";
import { countingModel, endless } from "../../e2e/endless-model.ts";
import { modelRows, timesModel } from "../../e2e/small-functions.ts";
import { floats, floatsIn, tensorOf } from "../../e2e/tensors.ts";

let folder: string;
let children: ChildProcess[];
/** That have been asked for and are not gone, and the most that there were. */
let alive: number;
let mostAlive: number;
let sessions: SessionProcesses;

const watched: Platform = {
  ...platform,
  spawnProcess: async (...given) => {
    alive++;
    mostAlive = Math.max(mostAlive, alive);
    try {
      const child = await platform.spawnProcess(...given);
      children.push(child);
      void child.exited.then(() => alive--);
      return child;
    } catch (error) {
      alive--;
      throw error;
    }
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dawnlet-sessions-"));
  await writeFile(join(folder, "triple.onnx"), timesModel(3));
  await writeFile(join(folder, "counting.onnx"), countingModel("input"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(() => {
  children = [];
  alive = mostAlive = 0;
});

afterEach(() => sessions.stop());

function open(options: Partial<SessionProcessesOptions> = {}): void {
  sessions = new SessionProcesses({ platform: watched, onLine: () => {}, ...options });
}

function model(id: string, owner?: string, file = "counting.onnx"): SessionModel {
  const source = async () => ({ modelPath: join(folder, file), files: {} });
  return { id, source, ...(owner !== undefined && { owner }) };
}

/** Has `rounds` counted from a half. */
const counting = (rounds: bigint): Tensors => ({
  x: floats([1], [0.5]),
  n: tensorOf("int64", [1], [rounds]),
});
const never = new AbortController().signal;
const longMs = 100_000;

/** @returns the rounds as the model counts them. */
async function count(of: SessionModel, rounds = 1n, limitMs = longMs, signal = never): Promise<number> {
  const run = await sessions.run(of, { inputs: counting(rounds), outputs: ["y"], limitMs }, signal);
  return floatsIn(run.outputs.get("y")!)[0]! - 0.5;
}

/** A run that is over when its process is. */
function countForEver(of: SessionModel, limitMs = longMs, signal = never): Promise<unknown> {
  const run = count(of, endless, limitMs, signal);
  run.catch(() => undefined);
  return run;
}

describe("a session", () => {
  test("that was opened ahead answers without opening, and its owner hears of each end", async () => {
    const closed: string[] = [];
    open({ onClosed: (id) => closed.push(id) });
    const triple = model("triple", undefined, "triple.onnx");
    const call = { inputs: { x: modelRows() }, outputs: ["y"], limitMs: longMs };
    const run = () => sessions.run(triple, call, never);
    expect(await sessions.open(triple)).toBeGreaterThan(0);
    expect(await sessions.open(triple)).toBe(0);
    const first = await run();
    expect(first.loadMs).toBe(0);
    expect(floatsIn(first.outputs.get("y")!)).toEqual(floatsIn(modelRows()).map((x) => 3 * x));
    expect(closed).toEqual([]);

    children.at(-1)!.kill();
    await expect.poll(() => closed, { timeout: 10_000 }).toEqual(["triple"]);
    expect((await run()).loadMs).toBeGreaterThan(0);
    expect(children).toHaveLength(2);

    await sessions.close(triple);
    expect(closed).toEqual(["triple", "triple"]);
    expect(alive).toBe(0);
    const none = { id: "none", source: () => Promise.reject(new RangeError("no model")) };
    await expect(sessions.open(none)).rejects.toThrow("no model");
  });

  test("is one owner's, though others have the same model, and ends when nobody calls it", async () => {
    const closed: string[] = [];
    open({ idleMs: 300, onClosed: (id) => closed.push(id) });
    const [ours, a] = [model("same"), model("same", "a")];
    expect(await Promise.all([count(ours), count(a), count(a)])).toEqual([1, 1, 1]);
    expect(children).toHaveLength(2);
    await expect.poll(() => alive, { timeout: 10_000 }).toBe(0);
    expect(closed).toEqual(["same", "same"]);
  });

  test("that is stopped fails what runs, waits and is being opened, and leaves no process", async () => {
    open({ maxProcesses: 2 });
    await sessions.open(model("busy"));
    const calls = [
      countForEver(model("busy")),
      count(model("busy")),
      count(model("opening")),
      count(model("far")),
    ];
    const outcomes = Promise.allSettled(calls);
    await vi.waitFor(() => expect(mostAlive).toBe(2));
    await sessions.stop();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: "UNAVAILABLE" } });
    expect(alive).toBe(0);
    await expect(count(model("busy"))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("processes", () => {
  test("are never more than there may be, those included that are still ending", async () => {
    open({ maxProcesses: 2 });
    const ids = ["a", "b", "c", "d", "e", "a", "c", "e"];
    expect(await Promise.all(ids.map((id, i) => count(model(id), BigInt(i))))).toEqual(ids.map((_, i) => i));
    expect(mostAlive).toBe(2);
    expect(children.length).toBeGreaterThanOrEqual(5);
  });

  test("are a tenant's up to half, so that its endless runs keep nobody waiting; the operator may have all", async () => {
    open({ maxProcesses: 2 });
    const busy = ["one", "two"].map((id) => countForEver(model(id, "a")));
    await vi.waitFor(() => expect(children).toHaveLength(1), 10_000);
    expect(await count(model("one", "b"))).toBe(1);
    expect(await count(model("two", "b"))).toBe(1);
    // The first of b's has made room for its second, and for none of a's.
    expect(children).toHaveLength(3);
    await sessions.stop();
    await Promise.allSettled(busy);

    open({ maxProcesses: 2 });
    const ours = ["one", "two", "three"].map((id) => countForEver(model(id)));
    await vi.waitFor(() => expect(children).toHaveLength(5), 20_000);
    await sessions.stop();
    await Promise.allSettled(ours);
    expect(mostAlive).toBe(2);
  });

  test("go to the owners that wait in turns, to each one's models in order", async () => {
    open({ maxProcesses: 1 });
    const opened: string[] = [];
    const told = (id: string, owner: string): SessionModel => {
      const { source } = model(id);
      const noted = () => {
        opened.push(`${owner} ${id}`);
        return source();
      };
      return { id, owner, source: noted };
    };
    const first = countForEver(told("first", "a"), 2_000);
    const waiting = [told("1", "a"), told("2", "a"), told("1", "b"), told("2", "b"), told("1", "c")];
    expect(await Promise.all(waiting.map((one) => count(one)))).toEqual(waiting.map(() => 1));
    await expect(first).rejects.toMatchObject({ code: "TIME_LIMIT_EXCEEDED" });
    expect(opened).toEqual(["a first", "b 1", "c 1", "a 1", "b 2", "a 2"]);
    expect(mostAlive).toBe(1);
  });

  test.each([
    ["leave after their turn, though calls wait for them, where others have none", 0, ["b", "a", "a"]],
    ["stay where they are in use before that", longMs, ["a", "a", "b"]],
  ])("%s", async (_, turnMs, expected) => {
    open({ maxProcesses: 1, turnMs });
    const [a, b] = [model("one", "a"), model("one", "b")];
    await sessions.open(a);
    const order: string[] = [];
    const call = async (of: SessionModel) => {
      await count(of);
      order.push(of.owner!);
    };
    const all = [call(a), call(a), call(a), call(b)];
    await Promise.all(all);
    // Its first run is in the process already.
    expect(order).toEqual(["a", ...expected]);
  });
});

describe("a call", () => {
  test("that waits leaves at once when its caller does, and the others get their answers", async () => {
    open();
    const of = model("one");
    await sessions.open(of);
    const [running, waiting] = [new AbortController(), new AbortController()];
    const first = countForEver(of, 3_000, running.signal);
    const second = count(of, endless, longMs, waiting.signal);
    const third = count(of, 7n);
    waiting.abort();
    await expect(second).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(first).rejects.toMatchObject({ code: "TIME_LIMIT_EXCEEDED" });
    expect(await third).toBe(7);
    await expect(count(of, 1n, longMs, AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("that waits for a place gives it up", async () => {
    open({ maxProcesses: 1 });
    const limited = countForEver(model("one"), 2_000);
    const caller = new AbortController();
    const gone = count(model("two"), 1n, longMs, caller.signal);
    const stays = count(model("three"), 3n);
    caller.abort();
    await expect(gone).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(limited).rejects.toMatchObject({ code: "TIME_LIMIT_EXCEEDED" });
    expect(await stays).toBe(3);
    expect(children).toHaveLength(2);
  });

  test("that runs may go on for a while when its caller has left, and is ended then", async () => {
    open({ graceMs: 500 });
    const of = model("one");
    await sessions.open(of);
    const caller = new AbortController();
    const left = countForEver(of, longMs, caller.signal);
    const behind = count(of, 5n);
    caller.abort();
    await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await behind).toBe(5);
    expect(children).toHaveLength(2);
  });

  test("that ends soon after its caller has left keeps the session open", async () => {
    open({ graceMs: longMs });
    const of = model("one");
    await sessions.open(of);
    const caller = new AbortController();
    const left = count(of, 100_000n, longMs, caller.signal);
    caller.abort();
    await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await count(of, 5n)).toBe(5);
    expect(children).toHaveLength(1);
  });

  test("that takes longer than its limit fails alone; those behind it have their own", async () => {
    open();
    const of = model("one");
    await sessions.open(of);
    const endlessly = countForEver(of, 4_000);
    // They wait longer than they may run.
    const behind = [count(of, 2n, 3_000), count(of, 3n, 3_000)];
    await expect(endlessly).rejects.toMatchObject({
      code: "TIME_LIMIT_EXCEEDED",
      message: expect.stringMatching(/longer than 4000 ms.*'timeLimitMs' in function.json/),
    });
    expect(await Promise.all(behind)).toEqual([2, 3]);
    expect(children).toHaveLength(2);
  });

  test("that is in a process which ends fails with it, and those behind it run in another", async () => {
    open();
    const of = model("one");
    await sessions.open(of);
    const lost = countForEver(of);
    const behind = [count(of, 2n), count(of, 3n)];
    children[0]!.kill();
    await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await Promise.all(behind)).toEqual([2, 3]);
    expect(children).toHaveLength(2);
  });
});
