/** GPU sessions on a real device, within its ledger and under its watchdog. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Ledger } from "../../../runtime/device/ledger.ts";
import { SessionHost } from "../../../runtime/device/session-host.ts";
import { Watchdog } from "../../../runtime/device/watchdog.ts";
import { noise, reads, Sketch, writes } from "../../conformance/sketch.ts";
import { testDevice, testService } from "../../gpu.ts";
import { samples } from "../remote-gpu/samples.ts";
import { bufferError, HostedSessions, spin } from "./hosted-sessions.ts";

const deviceBytes = 2 ** 24;
const onWait = vi.fn();
let ledger: Ledger;
let sessions: HostedSessions;
let host: SessionHost;

beforeEach(async () => {
  const device = await testDevice();
  ledger = new Ledger(device, deviceBytes);
  sessions = new HostedSessions((send) => {
    host = new SessionHost({ device, ledger, watchdog: new Watchdog(), send, onWait });
    return host;
  });
});

/** Nothing may stay of any session, whatever it did. */
afterEach(async () => {
  for (const { session } of sessions.all("opened")) sessions.close(session);
  await expect.poll(() => ledger.totalBytes).toBe(0);
  expect(sessions.all("ended")).toHaveLength(sessions.all("opened").length);
  expect(host.isWaiting).toBe(false);
});

test("two sessions compute side by side with runs of Programs, each its own bits", async () => {
  const service = await testService();
  const hosted = new HostedSessions((send) => service.hostSessions(send));
  const sketch = new Sketch();
  const [input, output] = [sketch.input("uint32", 64), sketch.output("uint32", 64)];
  const code = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { y[i] = x[i] * 3u; }`;
  sketch.dispatch({ code, bindings: [reads(input), writes(output)] });
  await service.load("triple", sketch.finish().program, { writesBeforeReads: false });
  const words = noise(64, 1);
  const tripled = new Uint32Array(words.slice().buffer).map((word) => Math.imul(word, 3));
  const expected = await Promise.all(samples.map(async (sample) => sample.run(await testDevice())));
  const [left, right] = [hosted.open().device, hosted.open().device];
  let isOver = false;
  let runs = 0;
  const running = (async () => {
    while (!isOver) {
      const { outputs } = await service.run({ program: "triple", inputs: [words] });
      expect(new Uint32Array(outputs[0]!.slice().buffer)).toEqual(tripled);
      runs++;
    }
  })();
  const computed = await Promise.all(
    [left, right].map(async (device) => {
      const bytes: Uint8Array[] = [];
      for (const sample of samples) bytes.push(await sample.run(device));
      return bytes;
    }),
  );
  isOver = true;
  await running;
  expect(computed).toEqual([expected, expected]);
  expect(runs).toBeGreaterThan(0);
  expect((await service.memory()).sessionBytes).toBeGreaterThan(0);
  for (const { session } of hosted.all("opened")) hosted.close(session);
  await expect.poll(async () => (await service.memory()).sessionBytes).toBe(0);
  await service.unload("triple");
});

describe("memory", () => {
  test("sessions of a group share one budget, of which others take nothing", async () => {
    const own = { group: "a", budgetBytes: 4096 };
    const [first, second] = [sessions.open(own), sessions.open(own)];
    const other = sessions.open({ group: "b", budgetBytes: 4096 });
    expect(await bufferError(first.device, 3000)).toBeNull();
    expect(await bufferError(second.device, 3000)).toContain("OutOfMemoryError");
    expect(await bufferError(other.device, 3000)).toBeNull();
    expect(ledger.bytes("session")).toBe(6000);
    sessions.close(first.number);
    await expect.poll(() => ledger.bytes("session")).toBe(3000);
    expect(await bufferError(second.device, 3000)).toBeNull();
  });

  test("where the device has no room it is an error of the client, who is not told what others have", async () => {
    const weights = ledger.createBuffer("weight", { size: deviceBytes - 8192, usage: 0x80 });
    const relieve = vi.fn();
    ledger.onPressure(relieve);
    const { device } = sessions.open({ group: "a" });
    expect(await bufferError(device, 8192 + 1024)).toContain("OutOfMemoryError");
    expect(relieve).toHaveBeenCalledWith(1024);
    expect(await bufferError(device, 8192)).toBeNull();
    await expect.poll(() => sessions.usageOf("a")?.bytes).toBe(8192);
    expect(sessions.all("usage").flatMap(({ usage }) => usage.map((one) => one.missingBytes))).toContain(
      1024,
    );
    // What was reported is not missing any more.
    expect(sessions.usageOf("a")?.missingBytes === 0 || sessions.all("usage").length === 1).toBe(true);
    weights.destroy();
  });

  test("pressure that helps makes room", async () => {
    const weights = ledger.createBuffer("weight", { size: deviceBytes - 64, usage: 0x80 });
    ledger.onPressure(() => weights.destroy());
    const { device } = sessions.open();
    expect(await bufferError(device, 4096)).toBeNull();
    expect(ledger.bytes("weight")).toBe(0);
  });

  test("what makes no buffer takes no bytes", async () => {
    const { device } = sessions.open();
    device.pushErrorScope("validation");
    // More than the usages that there are.
    device.createBuffer({ size: 64, usage: 0xffff_ffff });
    await device.popErrorScope();
    device.destroy();
    await expect.poll(() => ledger.bytes("session")).toBe(0);
  });
});

describe("the end of a session", () => {
  test("is told once the GPU has nothing of it, with the reason where it was not wanted", async () => {
    const [busy, idle, bad] = [sessions.open(), sessions.open(), sessions.open()];
    await spin(busy.device, 20_000);
    busy.device.connection.flush();
    sessions.close(busy.number);
    sessions.close(idle.number);
    sessions.tell({ type: "data", session: bad.number, data: "what?" });
    await expect.poll(() => sessions.all("ended").map(({ session }) => session)).toContain(busy.number);
    expect(sessions.all("ended").at(-1)?.session).toBe(busy.number);
    const whyOf = (number: number) => sessions.all("ended").find(({ session }) => session === number)?.why;
    expect([whyOf(busy.number), whyOf(idle.number)]).toEqual([null, null]);
    expect(whyOf(bad.number)).toMatch(/no commands/);
    expect((await bad.device.lost).message).toMatch(/no commands/);
  });

  test("comes with a client's own device.destroy", async () => {
    const { number, device } = sessions.open();
    device.destroy();
    await expect.poll(() => sessions.all("ended")).toEqual([{ type: "ended", session: number, why: null }]);
  });

  test("garbage brings it to the session that sent it alone, and what it sends later is ignored", async () => {
    const good = sessions.open();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.jsonValue(), fc.uint8Array()), { minLength: 1 }),
        async (sent) => {
          const { number, device } = sessions.open();
          for (const [data, bytes] of sent)
            expect(sessions.tell({ type: "data", session: number, data }, [bytes, bytes])).toBe(true);
          sessions.tell({ type: "data", session: number, data: undefined });
          await device.lost;
        },
      ),
      { numRuns: 40 },
    );
    const [sample] = samples;
    expect(await sample!.run(good.device)).toEqual(await sample!.run(await testDevice()));
  });
});

test.each([
  ["no header", null],
  ["an unknown kind", { type: "steal", session: 1 }],
  ["no session", { type: "close" }],
  ["a budget that is none", { type: "open", session: 9, group: "g", budgetBytes: -1, timeLimitMs: 1 }],
])("a message that no gateway sends is refused: %s", (_, header) => {
  sessions.open();
  expect(host.receive({ header, attachments: [] })).toBe(false);
  expect(host.receive({ header: { type: "close", session: 77 }, attachments: [] })).toBe(true);
});

test("a number that is taken is refused", () => {
  const { number: session } = sessions.open();
  const again = { type: "open", session, group: "g", budgetBytes: 1, timeLimitMs: 1 } as const;
  expect(sessions.tell(again)).toBe(false);
});

describe("time", () => {
  test("of the GPU is counted for the group that uses it", async () => {
    const [busy, idle] = [sessions.open({ group: "busy" }), sessions.open({ group: "idle" })];
    await spin(busy.device, 20_000);
    await busy.device.queue.onSubmittedWorkDone();
    await bufferError(idle.device, 64);
    await expect.poll(() => sessions.usageOf("busy")?.gpuMs ?? 0).toBeGreaterThan(1);
    await expect.poll(() => sessions.usageOf("idle")?.bytes).toBe(64);
    expect(sessions.usageOf("idle")?.gpuMs).toBe(0);
    expect(sessions.usageOf("busy")?.hostMs).toBeGreaterThan(0);
    expect(onWait).toHaveBeenCalled();
    const before = sessions.usageOf("busy")!.gpuMs;
    await spin(busy.device, 20_000);
    await busy.device.queue.onSubmittedWorkDone();
    await expect.poll(() => sessions.usageOf("busy")!.gpuMs).toBeGreaterThan(before);
  });

  test("is up for the session whose work is the oldest on the queue, not for one behind it", async () => {
    const [slow, behind] = [sessions.open({ timeLimitMs: 20 }), sessions.open({ timeLimitMs: 5_000 })];
    await spin(slow.device, 50_000);
    await spin(behind.device, 100);
    await Promise.all([slow, behind].map(({ device }) => device.queue.onSubmittedWorkDone()));
    expect(sessions.all("stuck")).toEqual([{ type: "stuck", session: slow.number }]);
  });
});

describe("a client that does not take its answers", () => {
  const sizeBytes = 2 ** 22;

  async function readMuch(device: GPUDevice, times: number, taken: () => void): Promise<void> {
    const buffer = device.createBuffer({ size: sizeBytes, usage: 0x1 | 0x8 });
    for (let i = 0; i < times; i++) {
      await buffer.mapAsync(1);
      buffer.unmap();
      taken();
    }
  }

  test("loses its session when there is too much of them", async () => {
    const { number, device } = sessions.open({ budgetBytes: sizeBytes });
    // Its waiting for the answer that is not sent is nobody's concern.
    readMuch(device, 40, () => {}).catch(() => undefined);
    await expect.poll(() => sessions.all("ended"), { timeout: 5_000 }).toHaveLength(1);
    expect(sessions.all("ended")[0]).toMatchObject({
      session: number,
      why: expect.stringMatching(/not read/),
    });
  });

  test("keeps it when it takes them in time", async () => {
    const { number, device } = sessions.open({ budgetBytes: sizeBytes });
    await readMuch(device, 40, () => sessions.tell({ type: "taken", session: number, messages: 1 }));
    expect(sessions.all("ended")).toEqual([]);
  });
});

test("what the host takes of a session it says, so that the sender may send more", async () => {
  const { number, device } = sessions.open();
  const buffer = device.createBuffer({ size: 2 ** 20, usage: 0x8 });
  device.queue.writeBuffer(buffer, 0, new Uint8Array(2 ** 20));
  device.connection.flush();
  expect(sessions.all("taken")).toEqual([{ type: "taken", session: number, messages: 1 }]);
});
