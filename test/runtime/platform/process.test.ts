import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { platform } from "#platform";
import type { ChildProcess, ProcessOptions } from "../../../runtime/platform/platform.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";

const child = (name: string): URL => new URL(`./children/${name}.ts`, import.meta.url);
const running: ChildProcess[] = [];

async function start(
  name: string,
  options?: ProcessOptions,
): Promise<{ process: ChildProcess; client: RpcClient }> {
  const started = await platform.spawnProcess(child(name), options);
  running.push(started);
  return {
    process: started,
    client: new RpcClient(started.port, { peer: "the child", closedCode: "DEVICE_LOST" }),
  };
}

afterEach(async () => {
  for (const each of running.splice(0)) {
    each.kill();
    await each.exited;
  }
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

// A folder for temporary files that no other test uses.
const folder = mkdtempSync(join(tmpdir(), "dawnlet-test-"));
const { TMPDIR } = process.env;
process.env.TMPDIR = folder;
afterAll(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(folder, { recursive: true });
});
const linkFolders = (): string[] => readdirSync(folder).filter((name) => name.startsWith("dawnlet-"));

test("the platform under test is the runtime that runs the tests", () => {
  expect(platform.runtime).toBe("Deno" in globalThis ? "deno" : "node");
});

test("`spawnProcess()` starts the same runtime with its arguments and connects to it", async () => {
  const { process: started, client } = await start("echo", { args: ["one", "two words"] });
  expect(started.pid).not.toBe(process.pid);
  expect((await client.call("describe")).result).toEqual({
    runtime: platform.runtime,
    arguments: ["one", "two words"],
  });
  const bytes = new Uint8Array(3_000_000).map((_, index) => index % 253);
  const { attachments } = await client.call("echo", null, [bytes, new Uint8Array([1])]);
  expect(Buffer.compare(attachments[0]!, bytes)).toBe(0);
  expect([...attachments[1]!]).toEqual([1]);
  await expect(client.call("refuse")).rejects.toMatchObject({
    code: "OUT_OF_MEMORY",
    message: "Cannot hold it",
  });
});

test("what came from a child stays as it was while more comes", async () => {
  const { client } = await start("echo");
  const kept: Uint8Array[] = [];
  for (let index = 0; index < 300; index++) {
    const { attachments } = await client.call("echo", null, [new Uint8Array(1 + index * 331).fill(index)]);
    kept.push(attachments[0]!);
  }
  for (const [index, bytes] of kept.entries()) {
    expect(bytes.byteLength).toBe(1 + index * 331);
    expect(bytes.every((byte) => byte === index % 256)).toBe(true);
  }
});

test("a child sees the environment that it is given, and not this process's", async () => {
  process.env.DAWNLET_TEST_SECRET = "secret";
  const { client } = await start("echo", { environment: { DAWNLET_TEST_GIVEN: "given" } });
  delete process.env.DAWNLET_TEST_SECRET;
  const { result } = await client.call("environment");
  expect(result).toMatchObject({ DAWNLET_TEST_GIVEN: "given", PATH: process.env.PATH });
  expect(result).not.toHaveProperty("DAWNLET_TEST_SECRET");
  // Nor does what it starts itself find the way to its parent.
  expect(Object.keys(result as object).filter((name) => name.startsWith("DAWNLET_PARENT"))).toEqual([]);
});

test("what a child prints comes line by line", async () => {
  const lines: string[] = [];
  const { client } = await start("echo", { onLine: (line, stream) => lines.push(`${stream}: ${line}`) });
  await client.call("print", "a\nb");
  await vi.waitFor(() =>
    expect(lines.toSorted()).toEqual(["stderr: b", "stderr: err a", "stdout: b", "stdout: out a"]),
  );
});

test("`stop()` ends a child, `exited` says how", async () => {
  const { process: stopped } = await start("echo");
  const begun = performance.now();
  expect(await stopped.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - begun).toBeLessThan(1500);
  const { process: exited, client } = await start("echo");
  client.call("exit", 7).catch(() => {});
  expect(await exited.exited).toEqual({ code: 7, signal: null });
});

test("a child that hangs is killed, and its calls fail with the client's code", async () => {
  const { process: hung, client } = await start("echo");
  const call = expect(client.call("hang")).rejects.toMatchObject({ code: "DEVICE_LOST" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await hung.stop(100)).toEqual({ code: null, signal: "SIGKILL" });
  await call;
  expect(isAlive(hung.pid)).toBe(false);
});

test("a child that crashes closes its Port", async () => {
  const { process: crashed, client } = await start("echo", { onLine: () => {} });
  // The crash may overtake the answer.
  await client.call("crash").catch(() => undefined);
  const { code } = await crashed.exited;
  expect(code).toBeGreaterThan(0);
  await client.closed;
});

test("a child ends when its parent is killed", async () => {
  const { process: parent, client } = await start("parent-of-echo");
  const pid = Number((await client.call("childPid")).result);
  expect(isAlive(pid)).toBe(true);
  parent.kill();
  await parent.exited;
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 8000 });
});

test("`spawnProcess()` says why a child could not be started, and leaves no folder behind", async () => {
  const quiet = { onLine: () => {}, name: "test process" };
  await expect(platform.spawnProcess(child("no-connection"), quiet)).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: "Cannot start the test process as it ended with code 3: see what it printed",
  });
  await expect(
    platform.spawnProcess(child("no-connection"), { ...quiet, args: ["stay"], connectTimeoutMs: 300 }),
  ).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: "Cannot start the test process as it did not connect within 300 ms: see what it printed",
  });
  await expect(
    platform.spawnProcess(child("no-connection"), {
      ...quiet,
      args: ["stay"],
      signal: AbortSignal.timeout(100),
    }),
  ).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await start("echo");
  expect(linkFolders()).toEqual([]);
});

test.skipIf(process.platform === "win32")(
  "a stranger without the token is not taken for the child",
  async () => {
    const before = linkFolders();
    const stranger = Promise.withResolvers<void>();
    const watch = setInterval(() => {
      const folder = linkFolders().find((name) => !before.includes(name));
      if (!folder) return;
      clearInterval(watch);
      const socket = connect(`${tmpdir()}/${folder}/link`, () => socket.write(new Uint8Array(64)));
      socket.on("error", () => {});
      socket.on("close", () => stranger.resolve());
    }, 1);
    const { client } = await start("echo");
    await stranger.promise;
    expect((await client.call("echo", "still here")).result).toBe("still here");
  },
);
