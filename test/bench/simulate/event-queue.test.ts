import fc from "fast-check";
import { expect, it } from "vitest";
import { EventQueue } from "../../../bench/simulate/event-queue.ts";

it("EventQueue gives what a stable sort by time gives", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (times) => {
      const queue = new EventQueue<number>();
      for (const [i, at] of times.entries()) queue.push(at, i);
      const sorted = times.map((at, i) => ({ at, i })).sort((a, b) => a.at - b.at || a.i - b.i);
      for (const { at, i } of sorted) {
        expect(queue.nextAt).toBe(at);
        expect(queue.pop()).toBe(i);
      }
      expect(queue.pop()).toBeUndefined();
      expect(queue.nextAt).toBe(Number.POSITIVE_INFINITY);
    }),
  );
});

it("EventQueue gives the soonest while others come in between", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(50), { nil: undefined }), { maxLength: 200 }), (steps) => {
      const queue = new EventQueue<number>();
      const waiting: number[] = [];
      for (const at of steps) {
        if (at === undefined) {
          const soonest = waiting.sort((a, b) => a - b).shift();
          expect(queue.pop()).toBe(soonest);
        } else {
          queue.push(at, at);
          waiting.push(at);
        }
        expect(queue.size).toBe(waiting.length);
      }
    }),
  );
});
