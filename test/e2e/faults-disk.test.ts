/** Deploys that the disk has no room for: a disk that is full, and files that may not grow. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FunctionStatus } from "../../gateway/functions/functions.ts";
import { type ServeProcess, startServe } from "../gateway/cli/run-cli.ts";
import { type Answer, Client, type Deployment } from "./client.ts";
import { dataFolder, storedBlobs } from "./running-gateway.ts";
import { mountSmallDisk } from "./small-disk.ts";
import { timesConstant, timesModel, timesShader, width } from "./small-functions.ts";
import { floats } from "./tensors.ts";

let folder: Awaited<ReturnType<typeof dataFolder>>;
let server: ServeProcess | undefined;

beforeEach(async () => {
  folder = await dataFolder();
});

afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function start(wrapper: readonly string[] = []): Promise<Client> {
  server = await startServe(["--no-examples", "--data", folder.path], { wrapper });
  return new Client(server.url);
}

const three = floats([3], [1, 2, 3]);

/** `y = x * factor`, with a file of that many bytes beside it, which is the constant of the factor. */
const heavy = (factor: number, sizeBytes: number) => timesConstant(factor, sizeBytes / 4, "file");

async function factorOf(client: Client, name: string): Promise<number> {
  const [one, two] = await client.answer(name, three);
  expect(two).toBe(2 * one!);
  return one!;
}

async function deployed(client: Client): Promise<readonly string[]> {
  const answer = await client.send<{ functions: readonly FunctionStatus[] }>("/v1/functions");
  return answer.body.functions.map(({ name }) => name);
}

function expectRefused(answer: Answer<Deployment>, reason: RegExp): void {
  expect(answer).toMatchObject({ status: 503, code: "UNAVAILABLE", error: expect.stringMatching(reason) });
}

test("a disk fills up: deploys fail by name, functions keep serving, and room makes deploys work again", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(folder.path, 4 * 2 ** 20);
  if (disk === undefined) {
    skip("needs Linux with unshare and nsenter, as root or with user namespaces");
    return;
  }
  const client = await start(disk.wrapper);
  await client.mustDeploy("model", timesModel(2));
  await client.mustDeploy("shader", timesShader(3));
  const row = floats([1, width], new Array(width).fill(1));
  const good = new Map([["shader", 3]]);
  const refused = new Map<string, string>();
  let factor = 10;
  // Smaller and smaller ones, until none fits: each fails at another point of its deploy.
  for (let sizeBytes = 512 * 1024; sizeBytes >= 4; ) {
    factor++;
    const before = await storedBlobs(disk.outerPath);
    const answer = await client.deploy(`f${factor}`, heavy(factor, sizeBytes));
    if (answer.error === undefined) good.set(`f${factor}`, factor);
    else {
      expectRefused(answer, /^Cannot deploy function|disk is full/);
      expect(answer.error).toContain("disk is full");
      refused.set(`f${factor}`, answer.error);
      expect(await storedBlobs(disk.outerPath)).toEqual(before);
      sizeBytes /= 4;
    }
  }
  console.log(`${good.size} functions fitted, ${refused.size} did not: ${[...refused.values()].at(-1)}`);
  expect(good.size).toBeGreaterThan(3);
  expect(new Set(await deployed(client))).toEqual(new Set([...good.keys(), "model"]));
  for (const [name, value] of good) expect(await factorOf(client, name)).toBe(value);
  for (const name of refused.keys())
    expect(await client.tryInfer(name, { x: three })).toMatchObject({ status: 404 });
  expect(await readdir(join(disk.outerPath, "tmp"))).toEqual([]);

  // A new version that does not fit leaves the one before it.
  expectRefused(await client.deploy("shader", heavy(4, 2 ** 20)), /disk is full/);
  expect(await factorOf(client, "shader")).toBe(3);
  // A variant that is compiled at a call, and cannot be kept, is no reason for the fallback.
  const first = await client.tryInfer("model", { x: row });
  console.log("error" in first ? first.error : "the model's variant found room");
  if ("error" in first) expect(first).toMatchObject({ status: 503, code: "UNAVAILABLE" });

  // After a restart the full disk serves what it served.
  expect((await server!.end("SIGTERM")).code).toBe(0);
  const again = await start(disk.wrapper);
  expect(new Set(await deployed(again))).toEqual(new Set([...good.keys(), "model"]));
  for (const [name, value] of good) expect(await factorOf(again, name)).toBe(value);

  // Room by removing a function, then by a larger disk.
  const [roomy = ""] = [...good.keys()].filter((name) => name !== "shader");
  expect((await again.remove(roomy)).status).toBeLessThan(300);
  await again.mustDeploy("after-removal", heavy(5, 256 * 1024));
  expect(await factorOf(again, "after-removal")).toBe(5);
  expectRefused(await again.deploy("large", heavy(6, 2 * 2 ** 20)), /disk is full/);
  disk.resize(16 * 2 ** 20);
  await again.mustDeploy("large", heavy(6, 2 * 2 ** 20));
  expect(await factorOf(again, "large")).toBe(6);
  expect(await again.answer("model", row)).toEqual(Array(width).fill(2));
  expect((await again.status("model")).current.engine).toMatchObject({ type: "program" });
});

test("files may not grow: a large deploy fails by name, a small one works, and without the limit both", async () => {
  // In units of 512 bytes. What a shell ignores its successor ignores: the write fails, the process does not.
  const limited = ["sh", "-c", `trap '' XFSZ; ulimit -f 2048; exec "$@"`, "sh"];
  const client = await start(limited);
  await client.mustDeploy("f", heavy(2, 4096));
  for (const name of ["g", "f"]) {
    const answer = await client.deploy(name, heavy(3, 2 * 2 ** 20));
    expectRefused(answer, /a file may not grow so large: raise the limit \(ulimit -f\)/);
    console.log(answer.error);
  }
  expect(await deployed(client)).toEqual(["f"]);
  expect(await factorOf(client, "f")).toBe(2);
  expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
  expect((await server!.end("SIGTERM")).code).toBe(0);

  const again = await start();
  expect(await factorOf(again, "f")).toBe(2);
  for (const name of ["g", "f"]) {
    await again.mustDeploy(name, heavy(3, 2 * 2 ** 20));
    expect(await factorOf(again, name)).toBe(3);
  }
});
