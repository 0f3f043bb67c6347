/** Messages that no honest client sends: the session ends or reports an error, and the device goes on. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Message } from "../../../runtime/port/port.ts";
import { command, encode } from "../../../runtime/remote-gpu/protocol.ts";
import { Budget } from "../../../runtime/remote-gpu/server/budget.ts";
import { RemoteSession } from "../../../runtime/remote-gpu/server/session.ts";
import { testDevice } from "../../gpu.ts";
import { vectorSample } from "./samples.ts";

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** Counts the bytes of the buffers that a device has, whatever the session says of them. */
function audit(device: GPUDevice): { live(): number; most(): number; stop(): void } {
  const create = device.createBuffer;
  let live = 0;
  let most = 0;
  device.createBuffer = (descriptor) => {
    const buffer = create.call(device, descriptor);
    const destroy = buffer.destroy;
    let bytes = buffer.size;
    live += bytes;
    most = Math.max(most, live);
    buffer.destroy = () => {
      live -= bytes;
      bytes = 0;
      return destroy.call(buffer);
    };
    return buffer;
  };
  return {
    live: () => live,
    most: () => most,
    stop: () => {
      device.createBuffer = create;
    },
  };
}

const budgetBytes = 2 ** 20;

async function tell(messages: readonly Message[]) {
  const answers: Message[] = [];
  const device = await testDevice();
  const books = audit(device);
  const budget = new Budget(budgetBytes);
  try {
    const session = new RemoteSession({ device, budget, send: (message) => answers.push(message) });
    for (const message of messages) session.receive(message);
    await device.queue.onSubmittedWorkDone();
    session.dispose();
    return { answers, bytes: budget.used, liveBytes: books.live(), mostBytes: books.most() };
  } finally {
    books.stop();
  }
}

const header = { descriptors: [] };

test.each([
  ["no words", { header, attachments: [] }],
  ["no header", { header: null, attachments: [words(1)] }],
  ["words that are cut", { header, attachments: [new Uint8Array(5)] }],
  ["an unknown command", { header, attachments: [words(99)] }],
  ["a command that ends early", { header, attachments: [words(command.create, 0)] }],
  ["an unknown kind of object", { header, attachments: [words(command.create, 50, 1, 0)] }],
  ["more words than there are", { header, attachments: [words(command.finish, 1, 0, 4_000_000_000)] }],
  ["bytes that are not there", { header, attachments: [words(command.writeBuffer, 1, 0, 0, 7)] }],
  ["an unknown filter", { header, attachments: [words(command.pushErrorScope, 9)] }],
])("%s end the session, and say why", async (_, message) => {
  const { answers } = await tell([message]);
  expect(answers.at(-1)?.header).toMatchObject({ lost: { reason: "unknown", message: expect.any(String) } });
});

test.each([
  ["an object that is not there", words(command.submit, 1, 5)],
  ["a descriptor that is not there", words(command.create, 0, 1, 3)],
  ["a layout of no pipeline", words(command.bindGroupLayout, 1, 0, 2)],
  ["a dispatch outside of a pass", words(command.finish, 1, 0, 4, encode.dispatch, 1, 1, 1)],
])("%s is an error of the client", async (_, attachment) => {
  const { answers } = await tell([
    { header: { descriptors: [{ texts: [], passes: [] }] }, attachments: [attachment] },
  ]);
  expect(JSON.stringify(answers.map((answer) => answer.header))).toMatch(/uncaptured|lost/);
});

test("an id that is taken makes nothing", async () => {
  const descriptors = Array.from({ length: 8 }, () => ({ size: budgetBytes / 4, usage: 0x80 }));
  const commands = descriptors.flatMap((_, i) => [command.create, 0, 1, i]);
  const { mostBytes, liveBytes, answers } = await tell([
    { header: { descriptors }, attachments: [words(...commands)] },
  ]);
  expect(mostBytes).toBe(budgetBytes / 4);
  expect(liveBytes).toBe(0);
  expect(JSON.stringify(answers.map((answer) => answer.header))).toMatch(/There is an object 1 already/);
});

test("what lies beside the words can be named once", async () => {
  const text = "x".repeat(1_000_000);
  const { answers } = await tell([
    {
      header: { descriptors: [text] },
      attachments: [words(...Array.from({ length: 200 }, () => [command.invalid, 0]).flat())],
    },
  ]);
  const sent = answers.reduce((sum, answer) => sum + JSON.stringify(answer.header).length, 0);
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(100_000);
});

test("a client that waits for too many answers at once loses its session", async () => {
  const many = words(...Array.from({ length: 5000 }, (_, i) => [command.workDone, i]).flat());
  const { answers } = await tell([{ header, attachments: [many] }]);
  expect(JSON.stringify(answers.map((answer) => answer.header))).toMatch(/requests wait/);
});

test("one that reads nothing of what it asked for loses it too", async () => {
  const device = await testDevice();
  const budget = new Budget(budgetBytes);
  const sent: Message[] = [];
  const session = new RemoteSession({
    device,
    budget,
    send: (message) => sent.push(message),
    queuedBytes: () => 2 ** 30,
  });
  session.receive({
    header: { descriptors: [{ size: 64, usage: 0x80 }] },
    attachments: [words(command.create, 0, 1, 0)],
  });
  expect(budget.used).toBe(64);
  session.receive({ header, attachments: [words(command.workDone, 1)] });
  await device.queue.onSubmittedWorkDone();
  await new Promise((resolve) => setTimeout(resolve));
  expect(sent).toEqual([]);
  expect(budget.used).toBe(0);
});

test("an answer that its carrier does not take ends the session, and nothing else", async () => {
  const device = await testDevice();
  const budget = new Budget(budgetBytes);
  const sent: unknown[] = [];
  const session = new RemoteSession({
    device,
    budget,
    send: ({ header: answer }) => {
      if (!("lost" in (answer as object))) throw new Error("too large");
      sent.push(answer);
    },
  });
  session.receive({ header, attachments: [words(command.workDone, 1)] });
  await device.queue.onSubmittedWorkDone();
  await new Promise((resolve) => setTimeout(resolve));
  expect(sent).toEqual([{ lost: { reason: "unknown", message: "too large" } }]);
  expect(budget.used).toBe(0);
});

test("whatever comes, nothing is thrown and no byte stays", async () => {
  const word = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffff_ffff }));
  const anything = fc.record({
    header: fc.oneof(
      fc.jsonValue(),
      fc.record({
        descriptors: fc.array(
          fc.oneof(
            fc.jsonValue(),
            fc.constant({ size: 64, usage: 0x8c }),
            fc.constant({ entries: [] }),
            fc.constant({ texts: [], passes: [{}], label: "", encoder: "" }),
            fc.constant({ layout: "auto", module: 1 }),
          ),
          { maxLength: 4 },
        ),
      }),
    ),
    attachments: fc.tuple(
      fc.array(word, { maxLength: 24 }).map((values) => words(...values)),
      fc.uint8Array({ maxLength: 16 }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { maxLength: 6 }), async (messages) => {
      const { bytes, liveBytes, mostBytes } = await tell(messages);
      expect([bytes, liveBytes]).toEqual([0, 0]);
      expect(mostBytes).toBeLessThanOrEqual(budgetBytes);
    }),
    { numRuns: 150 },
  );
  // The device is none the worse for it.
  const device = await testDevice();
  expect((await vectorSample.run(device)).byteLength).toBe(4000);
});
