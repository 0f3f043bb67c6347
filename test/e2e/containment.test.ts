/**
 * Functions that hang or lose the device while others are called, over HTTP on a real device process. The guilty one
 * fails, nobody else does or gets a wrong answer. Prints how long each recovery took.
 */
import process from "node:process";
import { describe, expect, test } from "vitest";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { gatewayFor } from "./running-gateway.ts";
import {
  hungryBundle,
  modelRows,
  shaderBundle,
  timesModel,
  timesShader,
  trapShader,
} from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";

const server = gatewayFor("each test");

const trap = shaderBundle(trapShader, { timeLimitMs: 1500 });
const good = floats([3], [1, 2, 3]);
const bad = floats([3], [1, -1, 3]);

const call = (name: string, x = good) => server.client.tryInfer(name, { x });
const answer = (name: string, x = good) => server.client.answer(name, x);
const health = () => server.gateway.backends.devices.health;

/** Calls functions over and over while `work` goes on; every answer must come, and be right. */
async function underLoad(
  functions: Readonly<Record<string, number>>,
  work: () => Promise<void>,
): Promise<{ calls: number; longestMs: number }> {
  const row = modelRows();
  let isOver = false;
  let calls = 0;
  let longestMs = 0;
  const failures: string[] = [];
  const caller = async (name: string, factor: number) => {
    const x = name.startsWith("model") ? row : good;
    const expected = [...floatsIn(x)].map((value) => value * factor);
    while (!isOver) {
      const startedAt = performance.now();
      const result = await call(name, x);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      calls++;
      if ("error" in result) failures.push(`${name}: ${result.status} ${result.error}`);
      else {
        const values = [...floatsIn(result.outputs.get("y")!)];
        if (values.some((value, i) => value !== expected[i])) failures.push(`${name}: wrong answer`);
      }
    }
  };
  const callers = Object.entries(functions).flatMap(([name, factor]) => [
    caller(name, factor),
    caller(name, factor),
  ]);
  try {
    await work();
  } finally {
    isOver = true;
    await Promise.all(callers);
  }
  expect(failures).toEqual([]);
  return { calls, longestMs };
}

/** Three functions whose rounds may take a little longer than the trap's. */
async function deployInnocents(): Promise<Readonly<Record<string, number>>> {
  await server.client.mustDeploy("two", shaderBundle(timesShader(2), { timeLimitMs: 2500 }));
  await server.client.mustDeploy("three", shaderBundle(timesShader(3), { timeLimitMs: 2500 }));
  const model = buildZip([
    { name: "function.json", content: JSON.stringify({ kind: "onnx", timeLimitMs: 2500 }) },
    { name: "model.onnx", content: timesModel(4) },
  ]);
  await server.client.mustDeploy("model", model);
  const innocents = { two: 2, three: 3, model: 4 };
  // Their first runs go alone in a round; from the second on they share.
  await underLoad(innocents, () => pause(500));
  return innocents;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function report(what: string, { calls, longestMs }: { calls: number; longestMs: number }): void {
  const { losses, rerun, recoveryMs } = health();
  const recoveries = recoveryMs.map((ms) => `${Math.round(ms)} ms`).join(", ");
  console.log(
    `${what}: ${calls} calls of others, none lost or wrong, the longest ${Math.round(longestMs)} ms; ` +
      `${rerun} run again; losses ${JSON.stringify(losses)}; recovered in ${recoveries}`,
  );
}

describe("a shader that never ends", () => {
  test("fails at its first call, and costs the others nothing but time", async () => {
    const innocents = await deployInnocents();
    await server.client.mustDeploy("trap", trap);
    const load = await underLoad(innocents, async () => {
      expect(await call("trap", bad)).toMatchObject({ status: 504, code: "TIME_LIMIT_EXCEEDED" });
      await pause(300);
    });
    report("first call of a loop", load);
    expect(health()).toMatchObject({ losses: { "time-limit": 1 }, blamed: 1, generation: 2 });
    // The function itself is fine with other inputs.
    expect(await answer("trap")).toEqual([2, 4, 6]);
  });

  test("is found among others, though it has been right before", async () => {
    const innocents = await deployInnocents();
    await server.client.mustDeploy("trap", trap);
    // From now on it shares rounds with others.
    expect(await answer("trap")).toEqual([2, 4, 6]);
    const load = await underLoad({ ...innocents, trap: 2 }, async () => {
      await pause(100);
      expect(await call("trap", bad)).toMatchObject({ status: 504, code: "TIME_LIMIT_EXCEEDED" });
      await pause(300);
    });
    report("a loop among others", load);
    expect(health().blamed).toBe(1);
  });

  test("is in quarantine after three calls, also after a restart, until that is lifted", async () => {
    await server.client.mustDeploy("two", timesShader(2));
    await server.client.mustDeploy("trap", trap);
    for (let strike = 1; strike <= 3; strike++) {
      expect((await server.client.status("trap")).current.quarantine).toBeUndefined();
      expect(await call("trap", bad)).toMatchObject({ status: 504, code: "TIME_LIMIT_EXCEEDED" });
    }
    const refused = { status: 503, code: "QUARANTINED", error: expect.stringMatching(/1500 ms.*DELETE/) };
    expect(await call("trap")).toMatchObject(refused);
    expect(health().losses["time-limit"]).toBe(3);
    expect(await answer("two")).toEqual([2, 4, 6]);
    expect((await server.client.status("trap")).current.quarantine).toMatchObject({ strikes: 3 });

    await server.restart();
    expect(await call("trap")).toMatchObject(refused);
    const { body } = await server.client.send<{ functions: { name: string; current: object }[] }>(
      "/v1/functions",
    );
    const barred = body.functions.filter(({ current }) => "quarantine" in current);
    expect(barred.map(({ name }) => name)).toEqual(["trap"]);
    expect(await server.client.send("/v2/models/trap/ready")).toMatchObject({ status: 503 });

    const lift = (name: string) =>
      server.client.send(`/v1/functions/${name}/quarantine`, { method: "DELETE" });
    expect(await lift("trap")).toMatchObject({ status: 204 });
    expect(await lift("trap")).toMatchObject({ status: 404, code: "NOT_FOUND" });
    expect(await lift("nobody")).toMatchObject({ status: 404, code: "NOT_FOUND" });
    expect(await answer("trap")).toEqual([2, 4, 6]);
  });

  test("does not go on when it is called many times at once; a new version starts clean", async () => {
    const innocents = await deployInnocents();
    await server.client.mustDeploy("trap", trap);
    const load = await underLoad(innocents, async () => {
      const results = await Promise.all(Array.from({ length: 6 }, () => call("trap", bad)));
      const codes = results.map((result) => ("code" in result ? result.code : "answered")).sort();
      expect(codes.filter((code) => code === "TIME_LIMIT_EXCEEDED")).toHaveLength(3);
      expect(codes.filter((code) => code === "QUARANTINED")).toHaveLength(3);
    });
    report("six loops at once", load);
    const fixed = shaderBundle(timesShader(2), { timeLimitMs: 1500 });
    expect((await server.client.mustDeploy("trap", fixed)).current).toMatchObject({ version: 2 });
    expect(await answer("trap")).toEqual([2, 4, 6]);
    expect(await call("trap/versions/1")).toMatchObject({ status: 503, code: "QUARANTINED" });
  });

  test("cannot state a limit that nobody could wait for", async () => {
    const answer = await server.client.deploy("trap", shaderBundle(trapShader, { timeLimitMs: 600_001 }));
    expect(answer).toMatchObject({ status: 400, code: "INVALID_BUNDLE" });
    expect(answer.error).toMatch(/timeLimitMs.*at most 600000/);
    await server.client.mustDeploy("trap", shaderBundle(trapShader, { timeLimitMs: 600_000 }));
  });
});

test("killing the device process again and again costs no call", async () => {
  const innocents = await deployInnocents();
  const load = await underLoad(innocents, async () => {
    for (let kill = 1; kill <= 4; kill++) {
      process.kill((await server.gateway.backends.devices.pid())!, "SIGKILL");
      await expect.poll(() => health().generation, { timeout: 10_000 }).toBe(1 + kill);
      // What was lost has run again, and all may go together.
      expect(await answer("two")).toEqual([2, 4, 6]);
      await pause(200);
    }
  });
  report("kill -9, four times", load);
  expect(health()).toMatchObject({ losses: { killed: 4, crash: 0 }, blamed: 0 });
});

test("a function that asks for more memory than there is fails alone, and the process stays", async () => {
  await server.restart({ deviceBytes: 64 * 2 ** 20 });
  await server.client.mustDeploy("two", timesShader(2));
  await server.client.mustDeploy("hungry", hungryBundle(3));
  const pid = await server.gateway.backends.devices.pid();
  const many = floats([1024], new Array(1024).fill(1));
  const load = await underLoad({ two: 2 }, async () => {
    for (let i = 0; i < 5; i++)
      expect(await call("hungry", many)).toMatchObject({ status: 503, code: "OUT_OF_MEMORY" });
  });
  expect(await answer("hungry")).toEqual([9, 18, 27]);
  report("too little memory", load);
  expect(await server.gateway.backends.devices.pid()).toBe(pid);
});
