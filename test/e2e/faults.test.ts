/**
 * Every kind of fault under the load of twenty other functions, on real processes: none of their calls may be lost or
 * get a wrong answer. Prints for how long each fault was felt. The parts are looked at more closely by
 * containment.test.ts and faults-*.test.ts.
 */
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ServeProcess, startServe } from "../gateway/cli/run-cli.ts";
import { type Callee, CallLoad, pause } from "./call-load.ts";
import { Client } from "./client.ts";
import { matrixBundle, matrixInputs, matrixProduct, outputsDigest, randomFloats } from "./function-crowd.ts";
import {
  dataFolder,
  type RunningGateway,
  type RunningGatewayOptions,
  startGateway,
} from "./running-gateway.ts";
import { hungryBundle, shaderBundle, timesShader, trapShader } from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";

const innocents = 20;
/** 256 KiB of weights each. */
const rows = 1024;
/** A little longer than the trap's: a device that hangs is given up after the longest of what it runs. */
const timeLimitMs = 2_500;
const trapLimitMs = 1_500;
const silence = { intervalMs: 250, limitMs: 500 };
const deviceBytes = 32 * 2 ** 20;
/** Before a fault and after it, at least. */
const loadMs = 500;

let folder: Awaited<ReturnType<typeof dataFolder>>;
let callees: readonly Callee[];
let server: RunningGateway;
const table: string[][] = [
  ["fault", "first right answer", "longest silence", "longest call", "right", "cut", "lost"],
];

beforeAll(async () => {
  folder = await dataFolder();
  server = await startGateway(folder.path, { deviceBytes });
  callees = await Promise.all(Array.from({ length: innocents }, (_, seed) => deployInnocent(seed)));
  await server.close();
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  "));
  console.log(`Faults under the load of ${innocents} functions\n${lines.join("\n")}`);
});

async function deployInnocent(seed: number): Promise<Callee> {
  const name = `innocent-${seed}`;
  await server.client.mustDeploy(name, matrixBundle(seed, rows, { timeLimitMs }));
  const inputs = matrixInputs(seed);
  const outputs = await server.client.infer(name, inputs);
  const values = floatsIn(outputs.get("y")!);
  for (const [i, value] of matrixProduct(seed, rows, seed).entries())
    expect(Math.abs(values[i]! - value), name).toBeLessThan(1e-4);
  return { name, inputs, expected: outputsDigest(outputs) };
}

/** `y = x + w` with a constant w of 40 MiB, mostly zeros: the test has to make and send it. */
function heavyBundle(): Uint8Array {
  const count = 10 * 2 ** 20;
  const w = new Float32Array(count);
  // Without these it would be refused as a zip that inflates to too much.
  w.set(randomFloats(1, count / 64));
  const shader = timesShader(1).replace("x[id.x] * 1.0", "x[id.x] + w[id.x]");
  const settings = {
    constants: { w: { type: "float32", shape: [count], file: "w.bin" } },
    steps: [{ kernel: "main", bind: { x: "x", y: "y", w: "w" }, workgroups: [1] }],
  };
  const file = { name: "w.bin", content: new Uint8Array(w.buffer), deflate: true };
  return shaderBundle(`@group(0) @binding(2) var<storage, read> w: array<f32>;\n${shader}`, settings, [file]);
}

/** Does `fault` while all are called, and asks that it is over for all of them afterwards. */
async function underLoad(
  what: string,
  options: { readonly client: () => Client; readonly mayBeCut?: boolean },
  fault: () => Promise<void>,
): Promise<CallLoad> {
  const load = new CallLoad({ callees, ...options });
  try {
    await Promise.all([load.whenAllAnswered(), pause(loadMs)]);
    const faultAt = performance.now();
    await fault();
    await Promise.all([load.whenAllAnswered(), pause(loadMs)]);
    const { firstAnswerMs, silenceMs, longestCallMs } = load.felt(faultAt);
    const times = [firstAnswerMs, silenceMs, longestCallMs].map((ms) => `${Math.round(ms)} ms`);
    table.push([what, ...times, `${load.answered}`, `${load.cut}`, `${load.failures.length}`]);
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
  return load;
}

describe("what a gateway survives", () => {
  afterEach(() => server.close());

  const start = async (options: RunningGatewayOptions = {}) => {
    server = await startGateway(folder.path, { deviceBytes, ...options });
  };
  const client = () => server.client;
  const health = () => server.gateway.backends.devices.health;
  const pid = async () => (await server.gateway.backends.devices.pid())!;
  const good = floats([3], [1, 2, 3]);

  test("a shader that never ends", async () => {
    await start();
    await client().mustDeploy("trap", shaderBundle(trapShader, { timeLimitMs: trapLimitMs }));
    // From now on it shares rounds with others.
    await client().infer("trap", { x: good });
    await underLoad(`a loop without end, limit ${trapLimitMs} ms`, { client }, async () => {
      const answer = await client().tryInfer("trap", { x: floats([3], [1, -1, 3]) });
      expect(answer).toMatchObject({ status: 504, code: "TIME_LIMIT_EXCEEDED" });
    });
    expect(health().blamed).toBe(1);
    await client().remove("trap");
  });

  test("functions that need more memory than there is", async () => {
    await start();
    await client().mustDeploy("hungry", hungryBundle(3));
    const many = floats([1024], new Array(1024).fill(1));
    const before = await pid();
    await underLoad("256 MiB of activations on 32 MiB", { client }, async () => {
      const answer = await client().tryInfer("hungry", { x: many });
      expect(answer).toMatchObject({ status: 503, code: "OUT_OF_MEMORY" });
      // Nobody had to go for what could not be.
      expect(server.gateway.backends.devices.devices[0]!.managed.evictions.counts.room).toBe(0);
    });
    // With sizes that fit it is a function like others.
    expect(await client().answer("hungry", good)).toEqual([9, 18, 27]);
    await client().mustDeploy("heavy", heavyBundle());
    await underLoad("40 MiB of weights on 32 MiB", { client }, async () => {
      const answer = await client().tryInfer("heavy", { x: good });
      expect(answer).toMatchObject({ status: 503, code: "OUT_OF_MEMORY" });
    });
    expect(await pid()).toBe(before);
    for (const name of ["hungry", "heavy"]) await client().remove(name);
  });

  test("`kill -9` of the device process", async () => {
    await start();
    await underLoad("kill -9 of the device process", { client }, async () => {
      process.kill(await pid(), "SIGKILL");
    });
    expect(health()).toMatchObject({ losses: { killed: 1 }, blamed: 0 });
  });

  test("a device process that does not answer any more", async () => {
    await start({ silence });
    const hung = await pid();
    await underLoad("a device process that is stopped", { client }, async () => {
      process.kill(hung, "SIGSTOP");
    });
    expect(await pid()).not.toBe(hung);
    expect(health()).toMatchObject({ losses: { hang: 1 }, blamed: 0 });
  });
});

test("`kill -9` of the gateway: whoever calls is cut off, and finds all as it was when it is back", async () => {
  const serve = () => startServe(["--no-examples", "--data", folder.path, "--device-memory", "32MiB"]);
  let serving: ServeProcess = await serve();
  try {
    let client = new Client(serving.url);
    const functions = async () => (await client.send("/v1/functions")).body;
    const before = await functions();
    const load = await underLoad(
      "kill -9 of the gateway, started again at once",
      { client: () => client, mayBeCut: true },
      async () => {
        await serving.end("SIGKILL");
        serving = await serve();
        client = new Client(serving.url);
      },
    );
    expect(load.cut).toBeGreaterThan(0);
    expect(await functions()).toEqual(before);
  } finally {
    await serving[Symbol.asyncDispose]();
  }
});
