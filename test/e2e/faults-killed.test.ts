/** A gateway that is killed in the midst of deploys and calls, and started again on what it has left. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseVersionRecord, reachableFrom } from "../../gateway/functions/record.ts";
import { openStore } from "../../gateway/store/store.ts";
import { type ServeProcess, startServe } from "../gateway/cli/run-cli.ts";
import { ownPid } from "../gateway/store/folders.ts";
import { cpuMsOf, descendants, hasProc, whenGone } from "./child-processes.ts";
import { Client } from "./client.ts";
import { countingModel, endless } from "./endless-model.ts";
import { oddModels } from "./odd-models.ts";
import { dataFolder, storedBlobs } from "./running-gateway.ts";
import { timesModel, timesShader } from "./small-functions.ts";
import { floats, floatsIn, tensorOf } from "./tensors.ts";

let folder: Awaited<ReturnType<typeof dataFolder>>;
let server: ServeProcess;

beforeEach(async () => {
  folder = await dataFolder();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function start(): Promise<Client> {
  server = await startServe(["--no-examples", "--data", folder.path]);
  return new Client(server.url);
}

const x = floats([3], [1, 2, 3]);

/** What `y = x * factor` multiplies by, as the function answers. */
async function factorOf(client: Client, name: string): Promise<number> {
  const [one, two, three] = await client.answer(name, x);
  if (two !== 2 * one! || three !== 3 * one!) throw new Error(`${name} answers ${one}, ${two}, ${three}`);
  return one!;
}

/** Of a function: the factor whose deploy was answered last, and the one that was asked for last. */
interface Progress {
  /** Below its factors, which no other function has: equal shaders would be stored once. */
  readonly base: number;
  acknowledged: number;
  asked: number;
}

const isDeployed = ({ base, acknowledged }: Progress) => acknowledged > base;

/** Deploys one factor after the other until the gateway is gone. */
async function keepDeploying(client: Client, name: string, progress: Progress): Promise<void> {
  for (;;) {
    progress.asked++;
    try {
      await client.mustDeploy(name, timesShader(progress.asked));
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    progress.acknowledged = progress.asked;
  }
}

/** Calls a function, once it is deployed, until the gateway is gone. @returns how often it has answered. */
async function keepCalling(
  client: Client,
  name: string,
  progress: Progress,
  ended: AbortSignal,
): Promise<number> {
  while (!isDeployed(progress)) {
    if (ended.aborted) return 0;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (let calls = 0; ; calls++) {
    const before = progress.acknowledged;
    try {
      const factor = await factorOf(client, name);
      expect(factor).toBeGreaterThanOrEqual(before);
      expect(factor).toBeLessThanOrEqual(progress.asked);
    } catch (error) {
      if (isGone(error)) return calls;
      throw error;
    }
  }
}

/** What `fetch` says where the other side is no longer there. */
function isGone(error: unknown): boolean {
  return error instanceof TypeError;
}

/** What no record names, as a gateway that starts must not leave it. */
async function leftovers(): Promise<readonly string[]> {
  await using store = await openStore(folder.path, { pid: ownPid });
  const reachable = new Set<string>();
  for (const name of await store.functions.names()) {
    // A first deploy that was cut off leaves a folder without versions.
    const versions = (await store.functions.read(name, parseVersionRecord))?.versions ?? [];
    for (const { record } of versions) for (const digest of reachableFrom(record)) reachable.add(digest);
  }
  const stored = [...(await store.blobs.list()), ...(await store.programs.list())];
  return stored.filter((digest) => !reachable.has(digest));
}

test("after each `kill -9` every acknowledged function is there and nothing else is", async () => {
  const names = ["a", "b", "c"];
  const progress = new Map<string, Progress>();
  for (const [i, name] of names.entries()) {
    const base = 1000 * i;
    progress.set(name, { base, acknowledged: base, asked: base });
  }
  for (const runMs of [400, 900, 1500]) {
    const client = await start();
    const ended = new AbortController();
    const work = [...progress].flatMap(([name, one]) => [
      keepDeploying(client, name, one),
      keepCalling(client, name, one, ended.signal),
    ]);
    await new Promise((resolve) => setTimeout(resolve, runMs));
    const halfDone = await readdir(join(folder.path, "tmp"));
    await server.end("SIGKILL");
    ended.abort();
    const calls = (await Promise.all(work)).reduce<number>((sum, count) => sum + (count ?? 0), 0);
    const locks = (await readdir(folder.path)).filter((name) => name.startsWith("lock."));
    expect(locks.length).toBe(1);

    const startedAt = performance.now();
    const again = await start();
    const restartMs = performance.now() - startedAt;
    const deploys = [...progress.values()].reduce((sum, one) => sum + one.acknowledged - one.base, 0);
    console.log(
      `killed after ${runMs} ms: ${deploys} deploys acknowledged so far, ${calls} calls answered, ${halfDone.length} temporary files a moment before; listens again after ${restartMs.toFixed(0)} ms`,
    );
    for (const [name, one] of progress) {
      if (!isDeployed(one)) continue;
      const factor = await factorOf(again, name);
      expect(factor).toBeGreaterThanOrEqual(one.acknowledged);
      expect(factor).toBeLessThanOrEqual(one.asked);
      one.acknowledged = factor;
    }
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
    expect((await server.end("SIGTERM")).code).toBe(0);
    expect(await leftovers()).toEqual([]);
  }
  expect([...progress.values()].every(isDeployed)).toBe(true);
  console.log(`${(await storedBlobs(folder.path)).length} blobs are left`);
});

test("device, trial, compiler and session processes end with the gateway that is killed", async ({
  skip,
}) => {
  if (!hasProc) skip("needs /proc to see processes: run it on Linux");
  const client = await start();
  const { bytes, call } = oddModels.find(({ name }) => name === "identity-float64")!;
  await client.mustDeploy("in-session", bytes);
  await client.infer("in-session", call!.inputs);
  await client.mustDeploy("shader", timesShader(2));
  expect(await factorOf(client, "shader")).toBe(2);
  // While the compiler works.
  await client.mustDeploy("model", timesModel(3));
  const compiling = client.infer("model", { x: floats([40, 96], Array(40 * 96).fill(1)) });
  compiling.catch(() => undefined);
  const kindsOf = () => descendants(server.pid).map(({ kind }) => kind);
  while (!kindsOf().includes("compiler")) await new Promise((resolve) => setTimeout(resolve, 5));
  const children = descendants(server.pid);
  expect(new Set(children.map(({ kind }) => kind))).toEqual(
    new Set(["device", "trial", "compiler", "session"]),
  );
  const killedAt = performance.now();
  await server.end("SIGKILL");
  expect(await whenGone(children, 10_000)).toEqual([]);
  console.log(
    `${children.map(({ kind }) => kind).join(", ")} were gone ${(performance.now() - killedAt).toFixed(0)} ms after the gateway`,
  );
  const again = await start();
  expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
  expect(await factorOf(again, "shader")).toBe(2);
  expect([...(await again.infer("in-session", call!.inputs)).values()][0]!.data).toEqual(
    Object.values(call!.outputs)[0]!.data,
  );
});

test("nothing goes on of models that never end when the gateway is killed", async ({ skip }) => {
  if (!hasProc) skip("needs /proc to see processes: run it on Linux");
  const client = await start();
  await client.mustDeploy("counting", countingModel("input"));
  const inputs = (rounds: bigint) => ({
    x: floats([1], [0.5]),
    n: tensorOf("int64", [1], [rounds]),
  });
  // The control: a loop that ends.
  expect(floatsIn((await client.infer("counting", inputs(3n))).get("y")!)).toEqual(Float32Array.of(3.5));
  const hanging = [
    client.infer("counting", inputs(endless)),
    // One in the compiler, and one that waits for it.
    ...["a", "b"].map((name) => client.deploy(name, countingModel(endless, name))),
  ];
  for (const each of hanging) each.catch(() => undefined);
  // More than it takes them to start.
  const busy = () => descendants(server.pid).filter((each) => cpuMsOf(each) > 4_000);
  const busyKinds = () => busy().map(({ kind }) => kind);
  await vi.waitFor(() => expect(busyKinds().sort()).toEqual(["compiler", "session"]), { timeout: 40_000 });
  const children = descendants(server.pid);
  await server.end("SIGKILL");
  expect(await whenGone(children, 15_000)).toEqual([]);
});
