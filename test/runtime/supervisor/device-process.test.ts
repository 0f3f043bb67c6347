/** The supervision of a real device process, and of processes that do not start. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { DawnletError } from "../../../kernels/errors.ts";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import type { Platform } from "../../../runtime/platform/platform.ts";
import {
  DeviceProcess,
  type DeviceRun,
  type StoredProgram,
} from "../../../runtime/supervisor/device-process.ts";
import type {
  DeviceProcessOptions,
  PlainRunOptions,
} from "../../../runtime/supervisor/device-process-options.ts";
import type { Incident } from "../../../runtime/supervisor/incident.ts";
import { timesShader, trapShader } from "../../e2e/small-functions.ts";
import { floats, floatsIn } from "../../e2e/tensors.ts";
import { storedProgram } from "./stored-program.ts";

const { environment, gpuOptions, description } = await findAdapter(platform);

const double = await storedProgram("double", timesShader(2));
const inputs = [floats([3], [1, 2, 3]).data];

let blobFolder: string;
let incidents: Incident[];
const opened: DeviceProcess[] = [];

beforeEach(async () => {
  blobFolder = await mkdtemp(join(tmpdir(), "dawnlet-device-"));
  incidents = [];
});

afterEach(async () => {
  for (const device of opened.splice(0)) await device.stop();
  await rm(blobFolder, { recursive: true });
});

function open(options: Partial<DeviceProcessOptions> = {}): DeviceProcess {
  const { implementation, backend } = gpuOptions;
  const { isSoftware } = description.adapter;
  const device = new DeviceProcess({
    platform,
    environment,
    open: { implementation, backend, isSoftware, budgetBytes: 2 ** 28, blobFolder },
    onLine: () => {},
    onIncident: (incident) => incidents.push(incident),
    ...options,
  });
  opened.push(device);
  return device;
}

async function run(device: DeviceProcess, options?: PlainRunOptions): Promise<readonly number[]> {
  return valuesOf(await device.run(double, inputs, options));
}

function valuesOf({ outputs }: DeviceRun): readonly number[] {
  return [...floatsIn({ ...floats([3], [0, 0, 0]), data: outputs[0]! })];
}

const types = () => incidents.map(({ type }) => type);

test("a run says when its Program has come in, again where another process runs it", async () => {
  const device = open();
  const onLoaded = vi.fn();
  await run(device, { onLoaded });
  expect(onLoaded).toHaveBeenCalledTimes(1);
  await run(device, { onLoaded });
  expect(onLoaded).toHaveBeenCalledTimes(1);
  await device.evict(double.id);
  await run(device, { onLoaded });
  expect(onLoaded).toHaveBeenCalledTimes(2);
  process.kill((await device.pid())!, "SIGKILL");
  await run(device, { onLoaded });
  expect(onLoaded).toHaveBeenCalledTimes(3);
});

test("a Program is read and sent once for all who come together, and evicted without being forgotten", async () => {
  const device = open();
  const readJson = vi.spyOn(double, "readJson");
  await device.describe();
  expect(await Promise.all([run(device), run(device), run(device)])).toEqual([
    [2, 4, 6],
    [2, 4, 6],
    [2, 4, 6],
  ]);
  await device.evict("double");
  expect(await run(device)).toEqual([2, 4, 6]);
  await device.evict("double");
  await Promise.all([device.load(double), device.load(double)]);
  expect((await device.memory()).residentPrograms).toEqual(["double"]);
  expect(readJson).toHaveBeenCalledTimes(1);
  await device.unload("double");
  expect((await device.memory()).loadedPrograms).toBe(0);
  expect(await run(device)).toEqual([2, 4, 6]);
  expect(readJson).toHaveBeenCalledTimes(2);
  readJson.mockRestore();
});

test("a load that fails fails the runs behind it, and is tried again by the next", async () => {
  const device = open();
  const broken: StoredProgram = {
    ...double,
    id: "broken",
    readJson: vi
      .fn(double.readJson)
      .mockResolvedValueOnce(new TextEncoder().encode('{"format":1}'))
      .mockRejectedValueOnce(new DawnletError("CORRUPT_DATA", "it has rotted")),
  };
  const failed = await Promise.allSettled([device.run(broken, inputs), device.run(broken, inputs)]);
  for (const one of failed)
    expect(one).toMatchObject({ status: "rejected", reason: { code: "INVALID_PROGRAM" } });
  await expect(device.run(broken, inputs)).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  expect((await device.run(broken, inputs)).outputs).toHaveLength(1);
  expect(device.health.generation).toBe(1);
});

describe("a round that does not end", () => {
  test("is taken apart: each of its runs runs alone, the guilty one fails, the others are answered", async () => {
    const device = open();
    const trap = await storedProgram("trap", trapShader, 500);
    const triple = await storedProgram("triple", timesShader(3), 500);
    // First runs go alone.
    await Promise.all([device.run(trap, inputs), device.run(triple, inputs)]);
    const bad = [floats([3], [1, -1, 1]).data];
    // Of one turn of the event loop, so of one round.
    const runs = [device.run(triple, inputs), device.run(trap, bad), device.run(trap, inputs)];
    const [innocent, guilty, same] = await Promise.allSettled(runs);
    expect(guilty).toMatchObject({
      status: "rejected",
      reason: { code: "TIME_LIMIT_EXCEEDED", details: { isBlamed: true } },
    });
    expect(innocent?.status === "fulfilled" && valuesOf(innocent.value)).toEqual([3, 6, 9]);
    expect(same?.status === "fulfilled" && valuesOf(same.value)).toEqual([2, 4, 6]);
    expect(device.health).toMatchObject({ losses: { "time-limit": 2 }, blamed: 1, generation: 3 });
    expect(types()).toEqual(["condemned", "lost", "recovered", "condemned", "lost", "recovered"]);
  });
});

test("a run under which the process crashes runs again alone, and is to blame when that happens again", async () => {
  const device = open();
  const trap = await storedProgram("trap", trapShader);
  const blamed = expect(device.run(trap, [floats([3], [1, -1, 1]).data])).rejects.toMatchObject({
    code: "DEVICE_LOST",
    details: { isBlamed: true },
  });
  for (const generation of [1, 2]) {
    await expect.poll(() => device.health.generation, { timeout: 20_000 }).toBe(generation);
    if (generation === 2) expect(device.health).toMatchObject({ losses: { crash: 1 }, rerun: 1, blamed: 0 });
    // As an assertion of the driver would. (Deno survives a SIGSEGV that is no real one.)
    process.kill((await device.pid())!, "SIGABRT");
  }
  await blamed;
  expect(device.health).toMatchObject({ losses: { crash: 2 }, rerun: 1, blamed: 1 });
  expect(await run(device)).toEqual([2, 4, 6]);
});

describe("a process that does not answer any more", () => {
  const silence = { intervalMs: 100, limitMs: 500 };

  test("is killed, and what several had asked of it is answered by the next", async () => {
    const device = open({ silence });
    const short: StoredProgram = { ...double, id: "short", timeLimitMs: 500 };
    await device.run(short, inputs);
    process.kill((await device.pid())!, "SIGSTOP");
    const runs = await Promise.all([device.run(short, inputs), device.run(short, inputs)]);
    for (const { outputs } of runs) expect(outputs).toHaveLength(1);
    expect(device.health).toMatchObject({ generation: 2, losses: { hang: 1 }, rerun: 2, blamed: 0 });
    expect(types()).toEqual(["condemned", "lost", "recovered"]);
    console.log(`recovered from a hang in ${Math.round(device.health.recoveryMs[0]!)} ms`);
  });

  test("is left alone while it has nothing to do", async () => {
    const device = open({ silence });
    await run(device);
    const pid = (await device.pid())!;
    process.kill(pid, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    process.kill(pid, "SIGCONT");
    expect(await run(device)).toEqual([2, 4, 6]);
    expect(incidents).toEqual([]);
  });
});

test("a call whose client has gone while the device was away is not run", async () => {
  const device = open();
  await run(device);
  const gone = new AbortController();
  process.kill((await device.pid())!, "SIGKILL");
  const [lost, kept] = [run(device, gone), run(device)];
  const refusal = expect(lost).rejects.toMatchObject({ code: "CANCELLED" });
  await expect.poll(() => types()).toContain("lost");
  gone.abort();
  await refusal;
  expect(await kept).toEqual([2, 4, 6]);
});

describe("a process that fails to start", () => {
  const noStart = new DawnletError("UNAVAILABLE", "it ended with code 1");

  /** Fails the first starts. */
  function failing(starts: number, error = noStart): { platform: Platform; tries: () => number } {
    let tries = 0;
    const spawnProcess: Platform["spawnProcess"] = (...args) =>
      ++tries <= starts ? Promise.reject(error) : platform.spawnProcess(...args);
    return { platform: { ...platform, spawnProcess }, tries: () => tries };
  }

  test("is tried again at once, and calls wait for it", async () => {
    const { platform, tries } = failing(2);
    const device = open({ platform });
    expect(await run(device)).toEqual([2, 4, 6]);
    expect(tries()).toBe(3);
    expect(types()).toEqual(["start-failed", "start-failed"]);
  });

  test("fails the calls after three tries, and later ones at once until the next try is due", async () => {
    const { platform, tries } = failing(3);
    const device = open({ platform });
    const refusals = await Promise.allSettled([run(device), run(device)]);
    for (const one of refusals) expect(one).toMatchObject({ status: "rejected", reason: noStart });
    await expect(run(device)).rejects.toThrow(/failed to start 3 times.*it ended with code 1/);
    expect(tries()).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await run(device)).toEqual([2, 4, 6]);
  });

  test("for want of an adapter is not tried again at once", async () => {
    const { platform, tries } = failing(1, new DawnletError("NO_ADAPTER", "WebGPU found no adapter"));
    await expect(open({ platform }).describe()).rejects.toMatchObject({ code: "NO_ADAPTER" });
    expect(tries()).toBe(1);
  });
});

test("after a stop the next call starts another", async () => {
  const device = open();
  await run(device);
  await device.stop();
  expect(await run(device)).toEqual([2, 4, 6]);
  expect(device.health.generation).toBe(2);
  expect(incidents).toEqual([]);
});
