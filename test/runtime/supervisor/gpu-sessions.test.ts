/** GPU sessions on a real device process: what one does costs the others no answer. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { DawnletError } from "../../../kernels/errors.ts";
import { loadWgslBundle } from "../../../kernels/manifest/bundle.ts";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import type { GroupUsage } from "../../../runtime/device/session-messages.ts";
import { RemoteDevice } from "../../../runtime/remote-gpu/client/device.ts";
import { DeviceProcess, type StoredProgram } from "../../../runtime/supervisor/device-process.ts";
import type { DeviceProcessOptions } from "../../../runtime/supervisor/device-process-options.ts";
import type { GpuLink, GpuSessionOptions, SessionEnd } from "../../../runtime/supervisor/gpu-link.ts";
import type { Incident } from "../../../runtime/supervisor/incident.ts";
import { timesShader, trapShader } from "../../e2e/small-functions.ts";
import { floats, floatsIn } from "../../e2e/tensors.ts";
import { testDevice } from "../../gpu.ts";
import { bufferError, spin } from "../device/hosted-sessions.ts";
import { samples } from "../remote-gpu/samples.ts";

const { environment, gpuOptions, description } = await findAdapter(platform);

const files = new Map([["main.wgsl", new TextEncoder().encode(timesShader(2))]]);
const { program } = (await loadWgslBundle(files)).specialise({ x: [3] }, {});
const json = new TextEncoder().encode(JSON.stringify(program));
const double: StoredProgram = {
  ...{ id: "double", timeLimitMs: 5_000, options: { writesBeforeReads: false } },
  readJson: async () => json,
};

let blobFolder: string;
let incidents: Incident[];
let usages: GroupUsage[];
const opened: DeviceProcess[] = [];

beforeEach(async () => {
  blobFolder = await mkdtemp(join(tmpdir(), "dawnlet-sessions-"));
  incidents = [];
  usages = [];
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
    onUsage: (usage) => usages.push(usage),
    ...options,
  });
  opened.push(device);
  return device;
}

async function run(device: DeviceProcess): Promise<readonly number[]> {
  const { outputs } = await device.run(double, [floats([3], [1, 2, 3]).data]);
  return [...floatsIn({ ...floats([3], [0, 0, 0]), data: outputs[0]! })];
}

async function session(
  device: DeviceProcess,
  options: Partial<GpuSessionOptions> = {},
): Promise<{ link: GpuLink; remote: RemoteDevice }> {
  const { subject = "function 'x'", group = subject, budgetBytes = 2 ** 26 } = options;
  const link = await device.openSession({ ...options, subject, group, budgetBytes });
  const remote = new RemoteDevice({ adapter: link.adapter, send: (message) => link.send(message) });
  link.receive((message) => remote.connection.receive(message));
  return { link, remote };
}

/** Far more than anybody waits for. */
const endless = 0xffff_ffff;
const lostOf = () => incidents.filter((one) => one.type === "lost");

test("two sessions compute beside runs of Programs, and leave nothing behind", async () => {
  const device = open();
  const expected = await Promise.all(samples.map(async (sample) => sample.run(await testDevice())));
  const [left, right] = await Promise.all([session(device), session(device, { subject: "function 'y'" })]);
  expect(left.remote.limits.maxBufferSize).toBe(2 ** 26);
  expect(left.remote.adapterInfo.description).toBe(description.adapter.description);
  let isOver = false;
  const running = (async () => {
    let runs = 0;
    for (; !isOver; runs++) expect(await run(device)).toEqual([2, 4, 6]);
    return runs;
  })();
  const computed = await Promise.all(
    [left, right].map(async ({ remote }) => {
      const bytes: Uint8Array[] = [];
      for (const sample of samples) bytes.push(await sample.run(remote));
      return bytes;
    }),
  );
  isOver = true;
  expect(await running).toBeGreaterThan(0);
  expect(computed).toEqual([expected, expected]);
  expect((await device.memory()).sessionBytes).toBeGreaterThan(0);
  left.link.close();
  right.remote.destroy();
  for (const { link } of [left, right]) expect(await link.ended).toEqual({ type: "closed" });
  await expect.poll(async () => (await device.memory()).sessionBytes).toBe(0);
  await expect.poll(() => usages.findLast(({ group }) => group === "function 'y'")?.bytes).toBe(0);
  expect(usages.some(({ gpuMs }) => gpuMs > 0)).toBe(true);
  expect(incidents).toEqual([]);
});

test("a group has one budget on the device, and what it uses is told to each of its links", async () => {
  const device = open();
  const used: number[] = [];
  const own = { group: "g", budgetBytes: 4096, onUsage: ({ bytes }: GroupUsage) => void used.push(bytes) };
  const [first, second] = await Promise.all([session(device, own), session(device, own)]);
  expect(await bufferError(first.remote, 4096)).toBeNull();
  expect(await bufferError(second.remote, 4)).toContain("OutOfMemoryError");
  await expect.poll(() => used).toEqual(expect.arrayContaining([4096, 4096]));
});

describe("work that does not end", () => {
  test("costs its session the device, and nobody else an answer", async () => {
    const device = open();
    const guilty = await session(device, { subject: "function 'loop' version 2", timeLimitMs: 300 });
    const other = await session(device);
    await run(device);
    await spin(guilty.remote, endless);
    guilty.remote.connection.flush();
    const runs = Promise.all([run(device), run(device)]);
    expect(await guilty.link.ended).toMatchObject({ type: "lost", cause: "time-limit", isBlamed: true });
    expect(await other.link.ended).toMatchObject({ type: "lost", cause: "time-limit", isBlamed: false });
    expect((await guilty.remote.lost).message).toMatch(/longer than 300 ms/);
    expect((await other.remote.lost).reason).toBe("unknown");
    expect(await runs).toEqual([
      [2, 4, 6],
      [2, 4, 6],
    ]);
    expect(lostOf()).toMatchObject([
      { cause: "time-limit", blamed: [], rerun: 2, sessions: 2, blamedSession: "function 'loop' version 2" },
    ]);
    expect(device.health).toMatchObject({ generation: 2, blamed: 1, losses: { "time-limit": 1 } });
    const [sample] = samples;
    const again = await session(device);
    expect(await sample!.run(again.remote)).toEqual(await sample!.run(await testDevice()));
  });

  test("is found out though its session was closed", async () => {
    const device = open();
    const guilty = await session(device, { timeLimitMs: 300 });
    await spin(guilty.remote, endless);
    guilty.remote.connection.flush();
    guilty.link.close();
    expect(await guilty.link.ended).toMatchObject({ type: "lost", isBlamed: true });
    expect(await run(device)).toEqual([2, 4, 6]);
  });
});

test("when the process is killed all links are told, none is blamed, and new sessions work", async () => {
  const device = open();
  const [left, right] = [await session(device), await session(device)];
  process.kill((await device.pid())!, "SIGKILL");
  for (const { link, remote } of [left, right]) {
    expect(await remote.lost).toMatchObject({ reason: "unknown" });
    expect(await link.ended).toMatchObject({ type: "lost", cause: "killed", isBlamed: false });
  }
  const [sample] = samples;
  const again = await session(device);
  expect(await sample!.run(again.remote)).toEqual(await sample!.run(await testDevice()));
  expect(device.health).toMatchObject({ generation: 2, blamed: 0 });
});

describe("a process that does not answer any more", () => {
  const silence = { intervalMs: 100, limitMs: 300 };

  test("is killed for the sake of sessions too, and a run that was alone beside them is not blamed", async () => {
    const device = open({ silence });
    const short: StoredProgram = { ...double, id: "short", timeLimitMs: 1_000 };
    const inputs = [floats([3], [1, 2, 3]).data];
    await device.run(short, inputs);
    const { link } = await session(device, { timeLimitMs: 100 });
    process.kill((await device.pid())!, "SIGSTOP");
    const running = device.run(short, inputs);
    expect(await link.ended).toMatchObject({ type: "lost", cause: "hang", isBlamed: false });
    expect((await running).outputs).toHaveLength(1);
    expect(lostOf()).toMatchObject([{ cause: "hang", blamed: [], rerun: 1, sessions: 1 }]);
  });

  test("is the fault of the only group that was there", async () => {
    const device = open({ silence });
    const { link } = await session(device, { timeLimitMs: 100 });
    process.kill((await device.pid())!, "SIGSTOP");
    expect(await link.ended).toMatchObject({ type: "lost", cause: "hang", isBlamed: true });
    expect(lostOf()).toMatchObject([{ cause: "hang", sessions: 1, blamedSession: "function 'x'" }]);
  });
});

describe("a process that crashes", () => {
  /** As an assertion of the driver would have it, while these have work there. */
  async function crashUnder(
    device: DeviceProcess,
    subjects: readonly string[],
  ): Promise<readonly SessionEnd[]> {
    const idle = await session(device, { subject: "function 'idle'" });
    await idle.remote.queue.onSubmittedWorkDone();
    // What is done is known a tenth of a second later.
    await expect.poll(() => usages.some(({ group }) => group === "function 'idle'")).toBe(true);
    const opened = await Promise.all(subjects.map((subject) => session(device, { subject })));
    for (const { remote } of opened) {
      await spin(remote, endless);
      remote.connection.flush();
    }
    process.kill((await device.pid())!, "SIGABRT");
    const ends = await Promise.all([idle, ...opened].map(({ link }) => link.ended));
    usages = [];
    return ends;
  }
  const lost = (isBlamed: boolean) => ({ type: "lost", cause: "crash", isBlamed });

  test("is the fault of the one session that had work each of three times, whoever was there beside it", async () => {
    const device = open();
    const [guilty, other] = ["function 'guilty'", "function 'other'"];
    expect(await crashUnder(device, [guilty, other])).toMatchObject([lost(false), lost(false), lost(false)]);
    expect(await crashUnder(device, [guilty])).toMatchObject([lost(false), lost(false)]);
    const [idleEnd, guiltyEnd, otherEnd] = await crashUnder(device, [guilty, other]);
    expect([idleEnd, otherEnd]).toMatchObject([lost(false), lost(false)]);
    expect(guiltyEnd).toMatchObject({ ...lost(true), message: expect.stringMatching(/time and again/) });
    expect(lostOf().map((one) => one.blamedSession)).toEqual([undefined, undefined, guilty]);
    expect(await run(device)).toEqual([2, 4, 6]);
  });
});

test("a session that breaks the protocol ends alone", async () => {
  const device = open();
  const [good, bad, deep] = [await session(device), await session(device), await session(device)];
  bad.link.send({ header: undefined, attachments: [new Uint8Array(3)] });
  expect(await bad.link.ended).toMatchObject({
    type: "refused",
    message: expect.stringMatching(/no commands/),
  });
  expect((await bad.remote.lost).message).toMatch(/no commands/);
  let nested: unknown = [];
  for (let depth = 0; depth < 100_000; depth++) nested = [nested];
  deep.link.send({ header: nested, attachments: [] });
  expect(await deep.link.ended).toMatchObject({ type: "refused" });
  const [sample] = samples;
  expect(await sample!.run(good.remote)).toEqual(await sample!.run(await testDevice()));
  expect(incidents).toEqual([]);
});

test("a session that sends more than the device takes ends", async () => {
  const device = open();
  const { link, remote } = await session(device, { budgetBytes: 2 ** 20 });
  const pid = (await device.pid())!;
  process.kill(pid, "SIGSTOP");
  const piece = new Uint8Array(2 ** 22);
  for (let sent = 0; sent < 20; sent++) link.send({ header: { descriptors: [] }, attachments: [piece] });
  expect((await remote.lost).message).toMatch(/More was sent/);
  process.kill(pid, "SIGCONT");
  expect(await link.ended).toMatchObject({ type: "refused" });
  expect(await run(device)).toEqual([2, 4, 6]);
});

test("a session waits until those have run that the device was lost under, alone", async () => {
  const device = open();
  const trapFiles = new Map([["main.wgsl", new TextEncoder().encode(trapShader)]]);
  const trap = (await loadWgslBundle(trapFiles)).specialise({ x: [3] }, {}).program;
  const trapJson = new TextEncoder().encode(JSON.stringify(trap));
  const stored: StoredProgram = { ...double, id: "trap", timeLimitMs: 1_000, readJson: async () => trapJson };
  await device.describe();
  const blamed = expect(device.run(stored, [floats([3], [1, -1, 1]).data])).rejects.toMatchObject({
    details: { isBlamed: true },
  });
  process.kill((await device.pid())!, "SIGABRT");
  await expect.poll(() => lostOf()).toHaveLength(1);
  const { link } = await session(device);
  expect(device.health.generation).toBe(3);
  await blamed;
  expect(lostOf()).toMatchObject([{ sessions: 0 }, { sessions: 0, blamed: ["trap"] }]);
  link.close();
  expect(await link.ended).toEqual({ type: "closed" });
});

describe("where no process starts", () => {
  test("a session is refused with the reason", async () => {
    const noStart = new DawnletError("NO_ADAPTER", "WebGPU found no adapter");
    const device = open({ platform: { ...platform, spawnProcess: () => Promise.reject(noStart) } });
    await expect(session(device)).rejects.toBe(noStart);
    await expect(session(device)).rejects.toThrow(/failed to start/);
  });
});

test("a stop closes sessions, and the next one starts another process", async () => {
  const device = open();
  const { link, remote } = await session(device);
  await device.stop();
  expect(await link.ended).toEqual({ type: "closed" });
  expect((await remote.lost).message).toMatch(/stopped/);
  await session(device);
  expect(device.health.generation).toBe(2);
  expect(incidents).toEqual([]);
});
