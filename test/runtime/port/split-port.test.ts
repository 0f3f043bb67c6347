/** Streams over one Port against what each would bring alone. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { Message, Port } from "../../../runtime/port/port.ts";
import { splitPort } from "../../../runtime/port/split-port.ts";
import { loopback } from "./loopback.ts";

const names = ["calls", "sessions", ""] as const;
type Name = (typeof names)[number];

const plain = ({ header, attachments }: Message) => ({ header, attachments: attachments.map((a) => [...a]) });

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("each stream brings its own messages, whole and in their order, however they are mixed", async () => {
  const message = fc.record({
    name: fc.constantFrom(...names),
    header: fc.jsonValue(),
    attachments: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }),
    isLeft: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 30 }),
      fc.integer({ min: 20, max: 999 }),
      async (sent, piece) => {
        const { left, right } = loopback(piece);
        const [lefts, rights] = [splitPort(left, names), splitPort(right, names)];
        for (const { name, isLeft, header, attachments } of sent)
          (isLeft ? lefts : rights)[name].send({ header, attachments });
        for (const [ports, isLeft] of [
          [rights, true],
          [lefts, false],
        ] as const)
          for (const name of names) {
            const got: unknown[] = [];
            ports[name].receive((one) => got.push(plain(one)));
            const wanted = sent.filter((one) => one.name === name && one.isLeft === isLeft);
            for (let i = 0; i < 200 && got.length < wanted.length; i++) await turn();
            // As JSON has it: -0 is 0.
            const carried = wanted.map((one) =>
              plain({ ...one, header: JSON.parse(JSON.stringify(one.header)) }),
            );
            expect(got).toEqual(carried);
          }
        left.close();
      },
    ),
    { numRuns: 60 },
  );
});

describe("a message that belongs to no stream closes the Port", () => {
  test.each([
    ["an unknown name", ["other", {}]],
    ["a name of every object", ["constructor", {}]],
    ["no name", { calls: [], cancels: [] }],
    ["nothing beside its name", ["calls"]],
    ["too much beside its name", ["calls", {}, {}]],
    ["nothing", null],
  ])("%s", async (_, header) => {
    const { left, right } = loopback();
    const { calls } = splitPort(right, names);
    const got: unknown[] = [];
    calls.receive((message) => got.push(message.header));
    left.send({ header: ["calls", "fine"], attachments: [] });
    left.send({ header, attachments: [] });
    await right.closed;
    expect(got).toEqual(["fine"]);
  });
});

test("closing one stream closes all of both sides", async () => {
  const { left, right } = loopback();
  const [lefts, rights] = [splitPort(left, names), splitPort(right, names)];
  lefts.sessions.close();
  await Promise.all(names.flatMap((name: Name) => [lefts[name].closed, rights[name].closed]));
});

test("a stream says of the carrier what the carrier knows", async () => {
  const { left } = loopback();
  let queued = 3;
  const afterTurn = vi.fn();
  const carrier: Port = {
    send: vi.fn(),
    receive: () => {},
    closed: left.closed,
    close: () => {},
    afterTurn,
    get queuedBytes() {
      return queued;
    },
  };
  const { calls } = splitPort(carrier, names);
  queued = 5;
  expect(calls.queuedBytes).toBe(5);
  expect(calls.afterTurn).toBe(afterTurn);
  const bytes = new Uint8Array(4);
  calls.send({ header: 1, attachments: [bytes], given: [bytes] });
  expect(carrier.send).toHaveBeenCalledWith({ header: ["calls", 1], attachments: [bytes], given: [bytes] });
  const { queuedBytes: _queued, afterTurn: _afterTurn, ...ignorant } = carrier;
  const stream = splitPort(ignorant, names).calls;
  expect([stream.queuedBytes, "afterTurn" in stream]).toEqual([undefined, false]);
});
