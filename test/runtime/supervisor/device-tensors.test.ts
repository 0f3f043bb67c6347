/** Tensors that stay on the device of a real process: they are used and read while it lives, and go with it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { loadWgslBundle } from "../../../kernels/manifest/bundle.ts";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import { DeviceProcess, type StoredProgram } from "../../../runtime/supervisor/device-process.ts";
import {
  type DeviceTensor,
  type DeviceValue,
  isDeviceTensor,
} from "../../../runtime/supervisor/device-tensor.ts";
import { timesShader, trapShader } from "../../e2e/small-functions.ts";
import { floats, floatsIn } from "../../e2e/tensors.ts";

const { environment, gpuOptions, description } = await findAdapter(platform);

/** A Program of three floats. */
async function stored(id: string, shader: string): Promise<StoredProgram> {
  const files = new Map([["main.wgsl", new TextEncoder().encode(shader)]]);
  const { program } = (await loadWgslBundle(files)).specialise({ x: [3] }, {});
  const json = new TextEncoder().encode(JSON.stringify(program));
  return { id, timeLimitMs: 5_000, options: { writesBeforeReads: false }, readJson: async () => json };
}

const double = await stored("double", timesShader(2));
const triple = await stored("triple", timesShader(3));
const trap = await stored("trap", trapShader);
const input = floats([3], [1, 2, 3]).data;
const gone = {
  code: "DEVICE_LOST",
  message: "The tensor went with its device: call again",
  details: undefined,
};

let blobFolder: string;
let device: DeviceProcess;

beforeEach(async () => {
  blobFolder = await mkdtemp(join(tmpdir(), "dawnlet-device-"));
  const { implementation, backend } = gpuOptions;
  const { isSoftware } = description.adapter;
  device = new DeviceProcess({
    platform,
    environment,
    open: { implementation, backend, isSoftware, budgetBytes: 2 ** 28, blobFolder },
    onLine: () => {},
  });
});

afterEach(async () => {
  await device.stop();
  await rm(blobFolder, { recursive: true });
});

async function keeping(program: StoredProgram, value: DeviceValue): Promise<DeviceTensor> {
  const [output] = (await device.run(program, [value], { keep: [true] })).outputs;
  if (output === undefined || !isDeviceTensor(output)) throw new TypeError("It did not stay");
  return output;
}

const valuesOf = (data: Uint8Array | undefined) => [...floatsIn({ ...floats([3], [0, 0, 0]), data: data! })];

async function giving(program: StoredProgram, value: DeviceValue): Promise<readonly number[]> {
  return valuesOf((await device.run(program, [value])).outputs[0]);
}

test("a tensor is read and used by other Programs until it is released", async () => {
  const a = await keeping(double, input);
  expect(a).toEqual({ device: "device0", id: "t1", sizeBytes: 12, generation: 1 });
  const b = await keeping(triple, a);
  expect(valuesOf(await device.readTensor(a))).toEqual([2, 4, 6]);
  expect(valuesOf(await device.readTensor(b))).toEqual([6, 12, 18]);
  expect(await giving(double, b)).toEqual([12, 24, 36]);
  expect((await device.memory()).tensorBytes).toBe(24);
  await device.releaseTensors([a, b]);
  expect((await device.memory()).tensorBytes).toBe(0);
});

test("one that was released is refused without its Program being sent again", async () => {
  const readJson = vi.spyOn(double, "readJson");
  const a = await keeping(double, input);
  await device.releaseTensors([a]);
  await expect(device.run(double, [a])).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(device.readTensor(a)).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await giving(double, input)).toEqual([2, 4, 6]);
  expect(readJson).toHaveBeenCalledTimes(1);
  readJson.mockRestore();
});

describe("after the process has gone", () => {
  async function kill(): Promise<void> {
    process.kill((await device.pid())!, "SIGKILL");
    await expect.poll(() => device.health.losses.killed).toBe(1);
  }

  test("what was there is lost for whoever asks, before and after there is another", async () => {
    const a = await keeping(double, input);
    await kill();
    await expect(device.run(double, [a])).rejects.toMatchObject(gone);
    await expect.poll(() => device.generation, { timeout: 20_000 }).toBe(2);
    const b = await keeping(double, input);
    // The same id of another process.
    expect(b).toEqual({ ...a, generation: 2 });
    await expect(device.run(double, [a])).rejects.toMatchObject(gone);
    await expect(device.readTensor(a)).rejects.toMatchObject(gone);
    await device.releaseTensors([a]);
    expect(valuesOf(await device.readTensor(b))).toEqual([2, 4, 6]);
    expect(device.health).toMatchObject({ blamed: 0, rerun: 0 });
  });

  test("runs that read tensors and reads fail with it, and only others run again", async () => {
    const a = await keeping(double, input);
    await giving(triple, input);
    process.kill((await device.pid())!, "SIGSTOP");
    const lost = [device.run(triple, [a]), device.run(triple, [a], { keep: [true] }), device.readTensor(a)];
    const outcomes = Promise.allSettled(lost);
    const others = Promise.all([giving(double, input), keeping(triple, input)]);
    await kill();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: gone });
    const [values, tensor] = await others;
    expect(values).toEqual([2, 4, 6]);
    expect(tensor.generation).toBe(2);
    expect(valuesOf(await device.readTensor(tensor))).toEqual([3, 6, 9]);
    expect(device.health).toMatchObject({ generation: 2, blamed: 0, rerun: 2 });
  });
});

test("a run that cannot run again and was there when the process crashed has the next one for itself, and is blamed", async () => {
  const crash = async () => {
    const losses = device.health.losses.crash;
    // As an assertion of the driver would. (Deno survives a SIGSEGV that is no real one.)
    process.kill((await device.pid())!, "SIGABRT");
    await expect.poll(() => device.health.losses.crash).toBe(losses + 1);
  };
  const endless = async () => keeping(double, floats([3], [1, -1, 1]).data);
  const a = await endless();
  const first = Promise.allSettled([device.run(trap, [a]), device.run(triple, [a])]);
  await crash();
  for (const outcome of await first) expect(outcome).toMatchObject({ status: "rejected", reason: gone });
  expect(device.health.blamed).toBe(0);

  const b = await endless();
  const blamed = expect(device.run(trap, [b])).rejects.toMatchObject({ details: { isBlamed: true } });
  const behind = giving(double, input);
  await crash();
  await blamed;
  expect(await behind).toEqual([2, 4, 6]);
  expect(device.health).toMatchObject({ blamed: 1, rerun: 0 });

  // What was beside it only is let off by its next run.
  const c = await endless();
  const innocent = [giving(triple, c), giving(triple, c)];
  expect(await Promise.all(innocent)).toEqual([
    [6, -6, 6],
    [6, -6, 6],
  ]);
});
