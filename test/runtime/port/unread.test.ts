/** What a stream has not taken, against a model that keeps the messages. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Message } from "../../../runtime/port/port.ts";
import { Taken, Unread } from "../../../runtime/port/unread.ts";

const message = (sizeBytes: number): Message => ({ header: null, attachments: [new Uint8Array(sizeBytes)] });

test("what was taken counts no more, in the order in which it was sent, and nothing is taken twice", () => {
  const step = fc.oneof(
    fc.record({ send: fc.integer({ min: 0, max: 5000 }) }),
    fc.record({ take: fc.integer({ min: 0, max: 3000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, isMany) => {
      const unread = new Unread();
      const left: number[] = [];
      for (const one of steps) {
        if ("take" in one) {
          unread.taken(one.take);
          left.splice(0, one.take);
        } else {
          // Many small ones: their record is cut now and then.
          for (let i = 0; i < (isMany ? 300 : 1); i++) {
            unread.sent(message(one.send));
            left.push(one.send);
          }
        }
        const content = left.reduce((sum, bytes) => sum + bytes, 0);
        expect(unread.bytes).toBeGreaterThanOrEqual(content);
        expect(unread.bytes).toBeLessThanOrEqual(content + 512 * left.length);
      }
      unread.taken(Number.MAX_SAFE_INTEGER);
      expect(unread.bytes).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("a header counts as the text that it is", () => {
  const unread = new Unread();
  unread.sent({ header: { text: "x".repeat(100_000) }, attachments: [] });
  expect(unread.bytes).toBeGreaterThan(100_000);
});

test("the receiver reports after many messages or many bytes, each message once", () => {
  const taken = new Taken();
  const due = Array.from({ length: 64 }, () => taken.add(message(4)));
  expect(due.indexOf(true)).toBe(63);
  expect(taken.report()).toBe(64);
  expect(taken.add(message(4))).toBe(false);
  expect(taken.add(message(2 ** 20))).toBe(true);
  expect(taken.report()).toBe(2);
  expect(taken.report()).toBe(0);
});
