import fc from "fast-check";
import { expect, test } from "vitest";
import type { Request } from "../../../../gateway/scheduler/core/request.ts";
import { ArrivalQueue } from "../../../../gateway/scheduler/policies/arrival-queue.ts";
import { CommandedCluster } from "../core/commands.ts";

function requests(count: number): Request[] {
  const one = new CommandedCluster();
  one.device("d");
  one.function("f");
  return Array.from({ length: count }, () => one.request("f"));
}

test("ArrivalQueue keeps requests in the order of their numbers, whichever leave and come back", () => {
  const all = requests(12);
  const moves = fc.array(fc.tuple(fc.constantFrom("push", "remove", "putBack"), fc.nat(11)), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(moves, (steps) => {
      const queue = new ArrivalQueue();
      const present = new Set<Request>();
      let pushed = 0;
      for (const [move, pick] of steps) {
        const request = all[move === "push" ? pushed : pick]!;
        if (move === "remove") expect(queue.remove(request)).toBe(present.delete(request));
        else if (move === "push" && pushed < 11) {
          queue.push(request);
          present.add(request);
          pushed++;
        } else if (move === "putBack" && pick < pushed && !present.has(request)) {
          queue.putBack(request);
          present.add(request);
        }
        const expected = [...present].sort((a, b) => a.id - b.id);
        expect([...queue]).toEqual(expected);
        expect([queue.size, queue.first]).toEqual([expected.length, expected[0]]);
      }
    }),
  );
});

test("ArrivalQueue goes on where the one that was given last is taken out", () => {
  const queue = new ArrivalQueue();
  for (const request of requests(4)) queue.push(request);
  const seen: number[] = [];
  for (const request of queue) {
    seen.push(request.id);
    if (request.id !== 3) queue.remove(request);
  }
  expect(seen).toEqual([1, 2, 3, 4]);
  expect([...queue].map(({ id }) => id)).toEqual([3]);
});
