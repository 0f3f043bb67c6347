/** One gateway over two real devices: where calls run, what stays on each, and what the loss of one does to the other. */
import process from "node:process";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { asBytes, type CallTensor, isHeld } from "../../gateway/devices/call-tensor.ts";
import type { DeviceReport } from "../../gateway/devices/report.ts";
import type { Tensors } from "../../kernels/tensor.ts";
import { CallLoad } from "./call-load.ts";
import { matrixBundle, matrixInputs, outputsDigest } from "./function-crowd.ts";
import { placedBy } from "./placed-policy.ts";
import { gatewayFor } from "./running-gateway.ts";
import { modelRows, shaderBundle, timesModel, timesShader, trapShader } from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";
import { zipped } from "./zipped.ts";

const mebibyte = 2 ** 20;
/** Of the next calls, by the name of the function. */
let place: (fn: string) => number;
const server = gatewayFor("all tests", {
  // Whatever works, twice: models are compiled for what both have.
  adapter: ["", ""],
  deviceBytes: 48 * mebibyte,
  scheduling: placedBy((id) => place(id.split("@")[0]!)),
});
const to = (device: number) => () => device;
let turn = 0;
const inTurn = () => turn++ % 2;
const devices = () => server.gateway.backends.devices;
const managed = (device: number) => devices().devices[device]!.managed;
const generations = () => [0, 1].map((device) => managed(device).health.generation);

const addShader = `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) { y[id.x] = a[id.x] + b[id.x]; }
}
`;
const addManifest = {
  inputs: { a: { type: "float32", shape: ["n"] }, b: { type: "float32", shape: ["n"] } },
  outputs: { y: { type: "float32", shape: ["n"] } },
  steps: [{ kernel: "main", bind: { a: "a", b: "b", y: "y" }, workgroups: ["ceil(n / 64)"] }],
};

/** Keeps a device with a buffer of a mebibyte, and says what has become of it. */
const keeper = `
let device, lost = false;
export default { async fetch() {
  if (device === undefined) {
    device = await (await navigator.gpu.requestAdapter()).requestDevice();
    device.lost.then(() => { lost = true; });
    device.createBuffer({ size: ${mebibyte}, usage: GPUBufferUsage.STORAGE });
    await device.queue.onSubmittedWorkDone();
  }
  return Response.json({ lost });
} };`;

beforeEach(() => {
  place = inTurn;
});

beforeAll(async () => {
  place = inTurn;
  await server.client.mustDeploy("double", shaderBundle(timesShader(2)));
  await server.client.mustDeploy("add", shaderBundle(addShader, addManifest));
  await server.client.mustDeploy("matrix", matrixBundle(1, 1024));
  await server.client.mustDeploy("model", timesModel(3));
}, 120_000);

/** A call by HTTP, and the device that the answer names. */
async function call(name: string, inputs: Tensors): Promise<{ digest: string; device: string | null }> {
  const body = JSON.stringify(Object.fromEntries(Object.entries(inputs).map(([key, x]) => [key, nested(x)])));
  const response = await fetch(`${server.client.url}/function/${name}`, { method: "POST", body });
  expect(response.status).toBe(200);
  return { digest: await response.text(), device: response.headers.get("dawnlet-device") };
}

function nested(tensor: Tensors[string]): unknown {
  const values = [...floatsIn(tensor)];
  const [rows, columns] = tensor.shape;
  if (columns === undefined) return values;
  return Array.from({ length: rows! }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

describe("calls", () => {
  test.each([
    ["double", { x: floats([3], [1, 2, 3]) }],
    ["matrix", matrixInputs(5)],
    ["model", { x: modelRows(4) }],
  ] as const)("of '%s' are answered alike by each device, which the answer names", async (name, inputs) => {
    const answers = [];
    for (const device of [0, 1]) {
      place = to(device);
      answers.push(await call(name, inputs));
    }
    expect(answers.map(({ device }) => device)).toEqual(devices().devices.map(({ id }) => id));
    expect(answers[0]!.digest).toBe(answers[1]!.digest);
  });

  test("load weights where they run, and a removed function leaves each device", async () => {
    const used = () => devices().devices.map(({ usedBytes }) => usedBytes);
    const before = used();
    await server.client.mustDeploy("heavy", matrixBundle(7, 4096));
    for (const device of [0, 1]) {
      place = to(device);
      await server.client.infer("heavy", matrixInputs(1));
    }
    expect(used().map((bytes, i) => bytes - before[i]!)).toEqual([mebibyte, mebibyte]);
    const { body } = await server.client.send<{ devices: DeviceReport[] }>("/v1/devices");
    expect(body.devices.map(({ residents }) => residents.some((one) => one.function === "heavy"))).toEqual([
      true,
      true,
    ]);
    await server.client.remove("heavy");
    expect(used()).toEqual(before);
  });
});

describe("tensors", () => {
  const signal = new AbortController().signal;
  const many = (factor: number) => {
    const values = Array.from({ length: 6000 }, (_, i) => (i % 7) * factor);
    return floats([values.length], values);
  };
  const held: CallTensor[] = [];
  afterEach(async () => {
    await devices().releaseTensors(held.splice(0).flatMap((tensor) => (isHeld(tensor) ? [tensor.held] : [])));
    expect((await devices().memory()).tensorBytes).toBe(0);
  });

  async function invoke(name: string, inputs: Readonly<Record<string, CallTensor>>) {
    const call = { name, inputs, parameters: {}, signal, keep: "all" } as const;
    const { outputs, device } = await server.gateway.functions.invokeHeld(call);
    const { tensor } = outputs[0]!;
    held.push(tensor);
    return { tensor, device };
  }

  test("take the next call to where they are, and come to each other where they are apart", async () => {
    const [first, second] = devices().devices.map(({ id }) => id);
    place = to(0);
    const a = await invoke("double", { x: many(1) });
    place = to(1);
    const b = await invoke("double", { x: many(10) });
    expect([a.device, b.device]).toEqual([first, second]);
    // Of the policy's device there is no need.
    expect((await invoke("double", { x: a.tensor })).device).toBe(first);
    const sum = await invoke("add", { a: a.tensor, b: b.tensor });
    const { data } = await asBytes(sum.tensor, devices());
    expect(new Float32Array(data.slice().buffer)).toEqual(
      Float32Array.from({ length: 6000 }, (_, i) => (i % 7) * 22),
    );
  });
});

describe("a device that is lost", () => {
  test("under load loses no answer: calls run again on it, or elsewhere", { timeout: 120_000 }, async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const callees = await Promise.all(
      names.map(async (name, seed) => {
        await server.client.mustDeploy(name, matrixBundle(seed + 20, 512));
        const inputs = matrixInputs(seed);
        return { name, inputs, expected: outputsDigest(await server.client.infer(name, inputs)) };
      }),
    );
    const load = new CallLoad({ callees, client: () => server.client });
    try {
      await load.whenAllAnswered();
      for (const device of [0, 1, 0]) {
        const before = managed(device).health.generation;
        process.kill((await devices().pid(device))!, "SIGKILL");
        await load.whenAllAnswered();
        await expect.poll(() => managed(device).health.generation, { timeout: 20_000 }).toBe(before + 1);
      }
      await load.whenAllAnswered();
    } finally {
      await load.stop();
    }
    expect(load.failures).toEqual([]);
    for (const name of names) await server.client.remove(name);
    const [{ residency }, other] = [managed(0), managed(1)];
    const known = [...residency.residences, ...other.residency.residences].map(({ label }) => label);
    expect(known.filter((label) => names.includes(label))).toEqual([]);
  });

  test("to a shader without end leaves calls on the other alone", async () => {
    await server.client.mustDeploy("trap", shaderBundle(trapShader, { timeLimitMs: 1500 }));
    const before = generations();
    const { rerun } = managed(1).health;
    place = (fn) => (fn === "trap" ? 0 : 1);
    const inputs = matrixInputs(5);
    const expected = outputsDigest(await server.client.infer("matrix", inputs));
    const trapped = server.client.tryInfer("trap", { x: floats([2], [1, -1]) });
    const load = new CallLoad({
      callees: [{ name: "matrix", inputs, expected }],
      client: () => server.client,
    });
    expect(await trapped).toMatchObject({ status: 504, code: "TIME_LIMIT_EXCEEDED" });
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.answered).toBeGreaterThan(0);
    await expect.poll(generations, { timeout: 20_000 }).toEqual([before[0]! + 1, before[1]]);
    expect(managed(1).health.rerun).toBe(rerun);
    await server.client.remove("trap");
  });
});

describe("GPU sessions of handlers", () => {
  const sessionBytes = () => devices().devices.map((one) => one.managed.sessionBytes);
  const states = async () =>
    Promise.all(
      ["one", "two"].map(async (name) => (await fetch(`${server.client.url}/function/${name}`)).json()),
    );

  test("are spread over the devices, and one that is lost takes its own with it", async () => {
    for (const name of ["one", "two"]) {
      const files = { "function.json": { kind: "handler", limits: { instances: 1 } }, "handler.js": keeper };
      await server.client.mustDeploy(name, await zipped(files));
      await fetch(`${server.client.url}/function/${name}`);
    }
    await expect.poll(sessionBytes, { timeout: 10_000 }).toEqual([mebibyte, mebibyte]);
    process.kill((await devices().pid(1))!, "SIGKILL");
    await expect.poll(sessionBytes, { timeout: 10_000 }).toEqual([mebibyte, 0]);
    await expect
      .poll(async () => (await states()).filter(({ lost }) => lost).length, { timeout: 10_000 })
      .toBe(1);
    for (const name of ["one", "two"]) await server.client.remove(name);
    await expect.poll(sessionBytes, { timeout: 10_000 }).toEqual([0, 0]);
  });
});

test("everything that is removed leaves nothing on any device", async () => {
  for (const name of ["double", "add", "matrix", "model"]) await server.client.remove(name);
  for (const device of [0, 1]) {
    expect(await managed(device).memory()).toMatchObject({
      ...{ weightBytes: 0, constantBytes: 0, tensorBytes: 0, sessionBytes: 0 },
      ...{ loadedPrograms: 0, residentPrograms: [], placedBytes: 0 },
    });
    expect(managed(device).residency.usedBytes).toBe(0);
    const { queued, queuedMs } = devices().devices[device]!;
    expect({ queued, queuedMs }).toEqual({ queued: 0, queuedMs: 0 });
  }
});
