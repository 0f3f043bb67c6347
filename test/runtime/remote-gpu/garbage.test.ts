/** Messages that no honest client sends: the session ends or reports an error, and the device goes on. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Message } from "../../../runtime/port/port.ts";
import { command, encode } from "../../../runtime/remote-gpu/protocol.ts";
import { RemoteSession } from "../../../runtime/remote-gpu/server/session.ts";
import { testDevice } from "../../gpu.ts";
import { vectorSample } from "./samples.ts";

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

async function tell(messages: readonly Message[]): Promise<{ answers: Message[]; bytes: number }> {
  const answers: Message[] = [];
  const device = await testDevice();
  const session = new RemoteSession({
    device,
    budgetBytes: 2 ** 20,
    send: (message) => answers.push(message),
  });
  for (const message of messages) session.receive(message);
  await device.queue.onSubmittedWorkDone();
  session.dispose();
  return { answers, bytes: session.bytes };
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
      expect((await tell(messages)).bytes).toBe(0);
    }),
    { numRuns: 150 },
  );
  // The device is none the worse for it.
  const device = await testDevice();
  expect((await vectorSample.run(device)).byteLength).toBe(4000);
});
