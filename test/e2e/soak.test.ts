/**
 * Deploys, calls and removes functions over and over, each with weights of its own, through a real gateway and device
 * process; one deploy in ten fails on purpose. Afterwards nothing may be left: on the device, in the store, in the
 * memory of the processes. Twenty cycles, or as many as DAWNLET_SOAK_CYCLES says.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import type { DeviceMemory } from "../../runtime/device/api.ts";
import type { ProcessOptions } from "../../runtime/platform/platform.ts";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { onlyUnderNode } from "../left-out.ts";
import { matrixBundle, matrixBytes, matrixInputs, matrixProduct } from "./function-crowd.ts";
import { freePort, InspectedProcess, inspectArgs } from "./inspected-process.ts";
import { bytesPerCycle, type MemorySample, reachableBytes } from "./memory-trend.ts";
import { gatewayFor } from "./running-gateway.ts";
import { hungryBundle, modelRows, timesModel, timesShader } from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";

const kibibyte = 1024;
const cycles = Number(process.env.DAWNLET_SOAK_CYCLES ?? 20);
const sampleEvery = Math.min(25, Math.ceil(cycles / 20));
/** Models take the compiler process seconds. */
const modelEvery = Math.min(40, Math.ceil(cycles / 2));
const deviceBytes = 64 * kibibyte ** 2;
/** Weights of a WGSL function: 512, 768 or 1024 KiB. */
const rowsOf = (cycle: number) => kibibyte * (2 + (cycle % 3));
/** A cycle that left one function's weights behind would be beyond it in whatever process. */
const leakBytes = 512 * kibibyte;
/** What JavaScript reaches can be told much better than what the system has given to a process. */
const reachableLeakBytes = 64 * kibibyte;
/** The gateway shares its process with this test, which is still growing when few cycles are over. */
const isLong = cycles >= 200;
const cycleMs = 3_000;

const port = await freePort();
const inspected = (options: ProcessOptions) => ({
  ...options,
  runtimeArgs: [...(options.runtimeArgs ?? []), ...inspectArgs(port)],
});
const server = gatewayFor("all tests", {
  deviceBytes,
  spawning: (kind, options) => (kind === "device" ? inspected(options) : options),
});
let device: InspectedProcess;

beforeAll(async () => {
  device = await InspectedProcess.connect(port);
});

afterAll(() => device[Symbol.dispose]());

async function removed(name: string): Promise<void> {
  expect((await server.client.remove(name)).status).toBe(204);
}

async function shaderCycle(cycle: number): Promise<void> {
  const name = `shader-${cycle}`;
  const rows = rowsOf(cycle);
  await server.client.mustDeploy(name, matrixBundle(cycle, rows));
  for (const seed of [1, 2]) await callMatrix(name, cycle, rows, seed);
  await removed(name);
}

async function callMatrix(name: string, seed: number, rows: number, inputSeed: number): Promise<void> {
  const outputs = await server.client.infer(name, matrixInputs(inputSeed));
  const expected = matrixProduct(seed, rows, inputSeed);
  const farthest = floatsIn(outputs.get("y")!).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
    0,
  );
  expect(farthest, name).toBeLessThan(1e-4);
}

async function modelCycle(cycle: number): Promise<void> {
  const name = `model-${cycle}`;
  await server.client.mustDeploy(name, timesModel(cycle + 2));
  const x = modelRows();
  expect(await server.client.answer(name, x)).toEqual([...floatsIn(x)].map((value) => value * (cycle + 2)));
  await removed(name);
}

/** Deploys that fail, each in its own way. Their bytes differ from cycle to cycle. */
const failures: Readonly<Record<string, (cycle: number) => Promise<void>>> = {
  async "a shader that does not compile"(cycle) {
    const shader = `${timesShader(cycle)}\nfn broken_${cycle}( {`;
    const answer = await server.client.deploy(`bad-${cycle}`, shader);
    expect(answer).toMatchObject({ status: 400, code: "INVALID_SHADER" });
  },
  async "a function that needs more memory than there is"(cycle) {
    const name = `hungry-${cycle}`;
    await server.client.mustDeploy(name, hungryBundle(cycle));
    const x = floats([kibibyte], new Array(kibibyte).fill(1));
    expect(await server.client.tryInfer(name, { x })).toMatchObject({ status: 503, code: "OUT_OF_MEMORY" });
    await removed(name);
  },
  async "a file that is no model"(cycle) {
    const zip = buildZip([
      { name: "function.json", content: JSON.stringify({ kind: "onnx" }) },
      { name: "model.onnx", content: `no model, in cycle ${cycle}` },
    ]);
    const answer = await server.client.deploy(`odd-${cycle}`, zip);
    expect(answer).toMatchObject({ status: 400, code: "INVALID_MODEL" });
  },
  async "a zip that is cut short"(cycle) {
    const whole = matrixBundle(cycle, rowsOf(cycle));
    const answer = await server.client.deploy(`cut-${cycle}`, whole.subarray(0, whole.byteLength - 30));
    expect(answer).toMatchObject({ status: 400, code: "INVALID_BUNDLE" });
  },
};

async function runCycle(cycle: number): Promise<void> {
  const ways = Object.values(failures);
  if (cycle % 10 === 9) await ways[Math.floor(cycle / 10) % ways.length]!(cycle);
  else if (cycle % modelEvery === 5) await modelCycle(cycle);
  else await shaderCycle(cycle);
}

async function sample(cycle: number): Promise<MemorySample> {
  const pid = await server.gateway.backends.devices.pid();
  const bytes = {
    gatewayReachable: await reachableBytes(),
    gatewayResident: (await platform.processUsage(process.pid))?.residentBytes,
    deviceReachable: await device.reachableBytes(),
    deviceResident: (await platform.processUsage(pid!))?.residentBytes,
  };
  return { cycle, bytes };
}

/** But for the number of lanes: they stay, without memory. */
async function memory(): Promise<Omit<DeviceMemory, "lanes">> {
  const { lanes: _, ...held } = await server.gateway.backends.devices.memory();
  return held;
}

async function storedFiles(): Promise<readonly string[]> {
  const kept = ["blobs", "programs", "functions", "tmp"];
  const found = kept.map(async (name) => {
    const files = await readdir(join(server.folder, name), { recursive: true, withFileTypes: true });
    return files.filter((file) => file.isFile()).map((file) => join(name, file.name));
  });
  return (await Promise.all(found)).flat();
}

const isLeftOut = onlyUnderNode(
  "the soak",
  "what deploys, calls and removals leave is the same code's matter",
);

describe.skipIf(isLeftOut)(`${cycles} cycles of deploy, call and remove`, () => {
  test("leave nothing behind", { timeout: 60_000 + cycles * cycleMs }, async () => {
    const before = await memory();
    const pid = await server.gateway.backends.devices.pid();
    // One function stays: an empty device gives back everything anyway.
    const staysRows = 2 * kibibyte;
    await server.client.mustDeploy("stays", matrixBundle(-1, staysRows));
    const samples: MemorySample[] = [];
    const startedAt = performance.now();
    for (let cycle = 0; cycle < cycles; cycle++) {
      await callMatrix("stays", -1, staysRows, 1);
      await runCycle(cycle);
      if ((cycle + 1) % sampleEvery === 0) samples.push(await sample(cycle + 1));
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const withOne = await memory();
    await removed("stays");
    report(samples, seconds);

    expect(withOne.residentPrograms).toHaveLength(1);
    expect(withOne.pipelines).toBe(1);
    expect(withOne.placedBytes).toBe(matrixBytes(staysRows));
    // It was read once and has stayed on the device: host memory need not hold it.
    expect(withOne.hostBytes).toBeLessThanOrEqual(matrixBytes(staysRows));
    expect(await memory()).toEqual(before);
    expect(await storedFiles()).toEqual([]);
    expect(server.gateway.functions.list()).toEqual([]);
    expect(await server.gateway.backends.devices.pid()).toBe(pid);
    for (const { name, limitBytes } of trends)
      expect(bytesPerCycle(secondHalf(samples), name) ?? 0, name).toBeLessThan(limitBytes);
  });
});

const trends = [
  { name: "gatewayReachable", limitBytes: reachableLeakBytes, what: "gateway and this test, reachable" },
  {
    name: "gatewayResident",
    limitBytes: isLong ? leakBytes : Infinity,
    what: "gateway and this test, resident",
  },
  { name: "deviceReachable", limitBytes: reachableLeakBytes, what: "device process, reachable" },
  { name: "deviceResident", limitBytes: leakBytes, what: "device process, resident" },
] as const;

/** By then what is kept for later is there. */
function secondHalf(samples: readonly MemorySample[]): readonly MemorySample[] {
  return samples.slice(Math.floor(samples.length / 2));
}

function report(samples: readonly MemorySample[], seconds: number): void {
  const half = secondHalf(samples);
  const from = half[0]!.cycle;
  const lines = trends.map(({ name, what }) => {
    const slope = bytesPerCycle(half, name);
    if (slope === undefined) return `  ${what}: not measured, as this runtime or system does not tell it`;
    const mib = samples.map(({ bytes }) => (bytes[name]! / kibibyte ** 2).toFixed(1));
    return `  ${what}: ${(slope / kibibyte).toFixed(1)} KiB a cycle from cycle ${from} on; MiB: ${mib.join(" ")}`;
  });
  console.log(
    [
      `${cycles} cycles (DAWNLET_SOAK_CYCLES) in ${seconds.toFixed(1)} s, memory every ${sampleEvery} cycles`,
      ...lines,
    ].join("\n"),
  );
}
