/** Both ends of a device in a worker, over a MessageChannel and with no GPU: what is checked, kept and given away. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { type Program, programFormat } from "../../../kernels/program/program.ts";
import type { RunRequest } from "../../../runtime/device/api.ts";
import type { UploadChoice } from "../../../runtime/device/upload-path.ts";
import {
  type GivenWeights,
  type ServedDevice,
  serveDevice,
  WorkerDevice,
  type WorkerOpenParams,
} from "../../../runtime/device/worker-functions.ts";
import { bytesOf } from "./bytes.ts";

const program: Program = {
  format: programFormat,
  inputs: [],
  outputs: [],
  buffers: [],
  shaders: [],
  pipelines: [],
  steps: [],
  features: [],
};
const timing = { loadMs: 0, queueMs: 1, encodeMs: 2, executeMs: 3, gpuMs: 2.5 };
const uploadChoice: UploadChoice = {
  path: "ring",
  pieceBytes: 4096,
  bytesPerSecond: 1,
  isInPlace: false,
  isPinned: false,
};
const loadTiming = { pipelinesMs: 1, uploadMs: 2, totalMs: 3, uploadedBytes: 4 };
const memory = {
  ...{ budgetBytes: 9, weightBytes: 0, activationBytes: 0, constantBytes: 0, stagingBytes: 0 },
  ...{ tensorBytes: 0, sessionBytes: 0, totalBytes: 0, loadedPrograms: 0, pipelines: 0, placedBytes: 0 },
  lanes: 1,
  laneLimits: [],
  ...{ residentPrograms: ["p"], loadingPrograms: [], hostBytes: 0, hostBudgetBytes: 0 },
};
const description = {
  adapter: {
    ...{ vendor: "v", architecture: "a", device: "d", description: "", isSoftware: true },
    ...{ implementation: "dawn", backend: "" },
  },
  features: ["subgroups"],
  limits: { maxBindGroups: 4 },
  timing: "gpu" as const,
};

let calls: unknown[];
let opened: { readonly params: WorkerOpenParams; readonly given: GivenWeights } | undefined;
let device: WorkerDevice;
let near: MessagePort;

beforeEach(() => {
  calls = [];
  opened = undefined;
  const served: ServedDevice = {
    describe: async () => description,
    checkShader: async (code) => [{ line: 1, column: 2, message: code }],
    async load(...args) {
      calls.push(args);
      return loadTiming;
    },
    async reload(id) {
      calls.push(["reload", id]);
      return loadTiming;
    },
    async evict(id) {
      calls.push(["evict", id]);
    },
    async dropHost(digests) {
      calls.push(["drop", ...digests]);
    },
    measureUpload: async () => uploadChoice,
    async unload(id) {
      calls.push(id);
    },
    async run({ program: id, inputs }: RunRequest) {
      if (id === "none") throw new DawnletError("NOT_FOUND", "No Program 'none' is loaded on this device");
      return { outputs: inputs.map((input) => bytesOf(input).map((byte) => byte + 1)), timing };
    },
    readTensor: async (id) => Uint8Array.of(Number(id.slice(1))),
    async releaseTensors(ids) {
      calls.push(["release", ...ids]);
    },
    memory: async () => memory,
    destroy: () => void calls.push("destroy"),
  };
  const { port1, port2 } = new MessageChannel();
  serveDevice(port2, async (params, given) => {
    opened = { params, given };
    return served;
  });
  near = port1;
  device = new WorkerDevice(port1);
});
afterEach(() => near.close());

test("every method of DeviceApi reaches the device and brings its answer back", async () => {
  expect(await device.open({ budgetBytes: 5, blobFolder: "/blobs", isSoftware: true })).toEqual(description);
  expect(opened?.params).toEqual({ budgetBytes: 5, blobFolder: "/blobs", isSoftware: true });
  expect(await device.describe()).toEqual(description);
  expect(await device.checkShader("x")).toEqual([{ line: 1, column: 2, message: "x" }]);
  expect(await device.load("p", program, { writesBeforeReads: true })).toEqual(loadTiming);
  expect(await device.memory()).toEqual(memory);
  expect(await device.measureUpload()).toEqual(uploadChoice);
  await device.evict("p");
  expect(await device.reload("p")).toEqual(loadTiming);
  await device.dropHost(["w1", "w2"]);
  await device.unload("p");
  expect(await device.readTensor("t7")).toEqual(Uint8Array.of(7));
  await device.releaseTensors(["t7", "t8"]);
  await device.close();
  expect(calls).toEqual([
    ["p", program, { writesBeforeReads: true }],
    ["evict", "p"],
    ["reload", "p"],
    ["drop", "w1", "w2"],
    "p",
    ["release", "t7", "t8"],
    "destroy",
  ]);
});

test("inputs stay with the caller, also where they are parts of larger memory", async () => {
  await device.open({ budgetBytes: 5 });
  const whole = Uint8Array.of(1, 2, 3, 4, 5);
  const part = Buffer.from(whole).subarray(1, 3);
  const { outputs, timing: measured } = await device.run({ program: "p", inputs: [whole, part] });
  expect(outputs).toEqual([Uint8Array.of(2, 3, 4, 5, 6), Uint8Array.of(3, 4)]);
  expect(measured).toEqual(timing);
  expect([...whole, ...part]).toEqual([1, 2, 3, 4, 5, 2, 3]);
});

test("weights are taken where they match their digest, and given away by who sends them", async () => {
  await device.open({ budgetBytes: 5 });
  const { given } = opened!;
  const blob = Uint8Array.of(1, 2, 3, 4);
  const digest = createHash("sha256").update(blob).digest("hex");
  const other = "0".repeat(64);
  await expect(device.giveWeight(other, blob.slice())).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  expect(given.has(other)).toBe(false);
  await device.giveWeight(digest, blob);
  expect(blob.byteLength).toBe(0);
  const target = new Uint8Array(2);
  await given.read(digest, 1, target);
  expect([...target]).toEqual([2, 3]);
  await expect(given.read(digest, 3, target)).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  await device.dropWeight(digest);
  expect(given.has(digest)).toBe(false);
});

test("nothing is served before the device is open, and it is opened once", async () => {
  await expect(device.memory()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await device.open({ budgetBytes: 5 });
  await expect(device.open({ budgetBytes: 5 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await device.memory()).toEqual(memory);
});

test("errors keep their codes, and what is no Program or no request is refused", async () => {
  await device.open({ budgetBytes: 5 });
  await expect(device.run({ program: "none", inputs: [] })).rejects.toMatchObject({
    code: "NOT_FOUND",
    message: "No Program 'none' is loaded on this device",
  });
  const broken = { ...program, steps: [{ type: "jump" }] } as unknown as Program;
  const load = device.load("p", broken, { writesBeforeReads: true });
  await expect(load).rejects.toMatchObject({ code: "INVALID_PROGRAM", message: /steps\[0\]/ });
  const request = { program: 1, inputs: [] } as unknown as RunRequest;
  await expect(device.run(request)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(calls).toEqual([]);
});

test("calls fail once the worker is gone", async () => {
  await device.open({ budgetBytes: 5 });
  near.close();
  near.dispatchEvent(new Event("close"));
  await expect(device.memory()).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
