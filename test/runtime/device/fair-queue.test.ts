/** Whose turn it is: laws of the order in which runs go, over random arrivals on a clock of the test's own. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue, type Waiting } from "../../../runtime/device/fair-queue.ts";
import { agingMs } from "../../../runtime/device/run-order.ts";

interface Key {
  readonly name: string;
}

interface Run extends Waiting<Key> {
  readonly id: number;
}

const keys: readonly Key[] = ["a", "b", "c", "d"].map((name) => ({ name }));
const [a, b] = keys as [Key, Key];
let lastId = 0;

function run(key: Key, rest: Partial<Omit<Run, "key" | "id">> = {}): Run {
  return { key, id: lastId++, share: 1, arrivedAt: 0, urgencyMs: undefined, ...rest };
}

function queueOf(...runs: readonly Run[]): FairQueue<Key, Run> {
  const queue = new FairQueue<Key, Run>();
  for (const one of runs) queue.push(one);
  return queue;
}

function takeAll(queue: FairQueue<Key, Run>, now = 0): Run[] {
  return Array.from({ length: queue.size }, () => take(queue, now));
}

function take(queue: FairQueue<Key, Run>, now = 0): Run {
  const next = queue.peek(now);
  expect(next).toBeDefined();
  queue.take();
  return next!;
}

const names = (runs: readonly Run[]) => runs.map(({ key }) => key.name).join("");
const many = (count: number, key: Key, rest: Partial<Omit<Run, "key" | "id">> = {}) =>
  Array.from({ length: count }, () => run(key, rest));

describe("the runs of one Program", () => {
  test("go as they came where none is in a hurry", () => {
    const runs = [run(a, { arrivedAt: 1 }), run(a, { arrivedAt: 2 }), run(a, { arrivedAt: 3 })];
    expect(takeAll(queueOf(...runs))).toEqual(runs);
  });

  test("go by when they are due, those without hurry behind", () => {
    const [calm, late, soon] = [run(a), run(a, { urgencyMs: 500 }), run(a, { urgencyMs: 20 })];
    expect(takeAll(queueOf(calm, late, soon))).toEqual([soon, late, calm]);
  });

  test("do not wait for ever behind those that are in a hurry", () => {
    const calm = run(a, { arrivedAt: 0 });
    const queue = queueOf(calm);
    // One that is due at once comes for each that goes.
    for (let now = 0; now < agingMs; now += 100) {
      queue.push(run(a, { arrivedAt: now, urgencyMs: 50 }));
      expect(take(queue, now)).not.toBe(calm);
    }
    queue.push(run(a, { arrivedAt: agingMs, urgencyMs: 50 }));
    expect(take(queue, agingMs)).toBe(calm);
  });
});

describe("the runs of several Programs", () => {
  test("take turns, however many one has", () => {
    expect(names(takeAll(queueOf(...many(6, a), ...many(2, b))))).toBe("ababaaaa");
  });

  test("have places by their shares", () => {
    const first = takeAll(queueOf(...many(40, a, { share: 3 }), ...many(40, b))).slice(0, 20);
    expect(first.filter(({ key }) => key === a)).toHaveLength(15);
  });

  test("save nothing up while they are away", () => {
    const queue = queueOf(...many(50, a));
    for (let i = 0; i < 20; i++) take(queue);
    for (const one of many(10, b)) queue.push(one);
    expect(names(Array.from({ length: 8 }, () => take(queue)))).toMatch(/^(ab){4}$|^(ba){4}$/);
  });

  test("that are in a hurry go first, at every second place at most", () => {
    const queue = queueOf(...many(10, a), ...many(10, b, { urgencyMs: 5, share: 0.001 }));
    // By its share it has the first place, and no other one here.
    expect(names(Array.from({ length: 9 }, () => take(queue)))).toBe("bbabababa");
  });

  test("pay for places that they had in a hurry", () => {
    const queue = queueOf(...many(20, a), ...many(4, b, { urgencyMs: 5 }));
    for (let i = 0; i < 8; i++) take(queue);
    for (const one of many(20, b)) queue.push(one);
    const next = Array.from({ length: 12 }, () => take(queue));
    expect(next.filter(({ key }) => key === b).length).toBeLessThanOrEqual(6);
  });
});

test("`take()` refuses where nothing was chosen, or where something came after", () => {
  const queue = queueOf(run(a));
  expect(() => queue.take()).toThrow(RangeError);
  queue.peek(0);
  queue.push(run(b));
  expect(() => queue.take()).toThrow(RangeError);
  queue.peek(0);
  queue.take();
  expect(queue.size).toBe(1);
});

const arrival = fc.record({
  key: fc.constantFrom(...keys),
  share: fc.constantFrom(0.5, 1, 2, 7),
  urgencyMs: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }),
  /** Places given before it comes. */
  after: fc.integer({ min: 0, max: 3 }),
});

test("no run is lost, and none goes twice", () => {
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 80 }), (arrivals) => {
      const queue = new FairQueue<Key, Run>();
      const came: Run[] = [];
      const went: Run[] = [];
      for (const [now, { after, ...rest }] of arrivals.entries()) {
        for (let i = 0; i < after && queue.size > 0; i++) went.push(take(queue, now));
        const one = { ...rest, id: now, arrivedAt: now };
        came.push(one);
        queue.push(one);
        expect(queue.size).toBe(came.length - went.length);
      }
      went.push(...takeAll(queue, arrivals.length));
      expect(new Set(went)).toEqual(new Set(came));
      expect(went).toHaveLength(came.length);
      expect(queue.peek(0)).toBeUndefined();
    }),
  );
});

test("Programs that wait all the while get places by their shares, to within one of each", () => {
  const shares = fc.array(fc.constantFrom(0.5, 1, 2, 3, 10), { minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(shares, fc.integer({ min: 1, max: 300 }), (shareOf, places) => {
      const queue = new FairQueue<Key, Run>();
      for (const [i, share] of shareOf.entries())
        for (let n = 0; n < places; n++) queue.push(run(keys[i]!, { share }));
      const had = shareOf.map(() => 0);
      let worst = 0;
      for (let place = 0; place < places; place++) {
        had[keys.indexOf(take(queue).key)]!++;
        for (const [i, share] of shareOf.entries())
          for (const [j, other] of shareOf.entries())
            worst = Math.max(worst, Math.abs(had[i]! / share - had[j]! / other) - 1 / share - 1 / other);
      }
      expect(worst).toBeLessThanOrEqual(1e-9);
    }),
  );
});

test("whoever is in a hurry, every Program has half of its part at least", () => {
  const hurry = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(hurry, fc.integer({ min: 40, max: 200 }), (isHurried, places) => {
      const queue = new FairQueue<Key, Run>();
      for (const [i, key] of keys.entries())
        for (let n = 0; n < places; n++) queue.push(run(key, isHurried[i] ? { urgencyMs: n } : {}));
      const had = new Map(keys.map((key) => [key, 0]));
      for (let place = 0; place < places; place++) {
        const { key } = take(queue);
        had.set(key, had.get(key)! + 1);
      }
      for (const count of had.values()) expect(count).toBeGreaterThanOrEqual(places / keys.length / 2 - 2);
    }),
  );
});
