/** Which instance takes a request, and when there is one more or one less. Instances here are objects. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { InstancePool, type Place, type PooledInstance } from "../../../gateway/handlers/instance-pool.ts";
import { DawnletError } from "../../../kernels/errors.ts";

interface Fake extends PooledInstance {
  readonly number: number;
  isBusy: boolean;
  hasEnded: boolean;
}

const limits = { concurrency: 2, instances: 2, idleMs: 1000 };

/** @param starts what each start gives, one after another; the last one again and again. */
function pool(starts: readonly ("works" | Error)[] = ["works"], changed: Partial<typeof limits> = {}) {
  const made: Fake[] = [];
  let asked = 0;
  const instances = new InstancePool<Fake>({
    subject: "function 'x'",
    limits: { ...limits, ...changed },
    start: async () => {
      const outcome = starts[Math.min(asked++, starts.length - 1)]!;
      await Promise.resolve();
      if (outcome !== "works") throw outcome;
      const instance: Fake = {
        number: made.length,
        isBusy: false,
        hasEnded: false,
        end: () => {
          instance.hasEnded = true;
          instances.ended(instance);
        },
      };
      made.push(instance);
      return instance;
    },
  });
  return { instances, made, asked: () => asked };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("the first request starts an instance, and those after it share it while it has places", async () => {
  const { instances, made } = pool();
  using first = await instances.take();
  using second = await instances.take();
  expect([first, second].map(({ instance }) => instance.number)).toEqual([0, 0]);
  expect(made).toHaveLength(1);
});

test("a request that finds no place starts another instance, up to the limit; then requests wait", async () => {
  const { instances, made } = pool();
  const places: Place<Fake>[] = [];
  for (let i = 0; i < 4; i++) places.push(await instances.take());
  expect(made).toHaveLength(2);
  const fifth = instances.take();
  await vi.advanceTimersByTimeAsync(0);
  expect(instances.waiting).toBe(1);
  expect(made).toHaveLength(2);
  places[3]![Symbol.dispose]();
  expect((await fifth).instance.number).toBe(1);
});

test("many requests at once start as many instances as they fill", async () => {
  const { instances, made } = pool(["works"], { instances: 8 });
  await Promise.all(Array.from({ length: 5 }, () => instances.take()));
  expect(made).toHaveLength(3);
});

test("a request goes to the instance that has the least to do", async () => {
  const { instances } = pool();
  const places = await Promise.all(Array.from({ length: 4 }, () => instances.take()));
  for (const place of places.filter(({ instance }) => instance.number === 0)) place[Symbol.dispose]();
  places.find(({ instance }) => instance.number === 1)![Symbol.dispose]();
  using next = await instances.take();
  expect(next.instance.number).toBe(0);
});

test("an instance without work ends when it has been idle, and not while it has background work", async () => {
  const { instances, made } = pool();
  (await instances.take())[Symbol.dispose]();
  made[0]!.isBusy = true;
  instances.noteBusy(made[0]!);
  await vi.advanceTimersByTimeAsync(5000);
  expect(made[0]!.hasEnded).toBe(false);
  made[0]!.isBusy = false;
  instances.noteBusy(made[0]!);
  await vi.advanceTimersByTimeAsync(900);
  expect(made[0]!.hasEnded).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(made[0]!.hasEnded).toBe(true);
  expect(instances.instances).toHaveLength(0);
});

test("a queue that is full refuses", async () => {
  const { instances } = pool(["works"], { concurrency: 1, instances: 1 });
  using _place = await instances.take();
  const waiting = Array.from({ length: 8 }, () => instances.take().catch((error: unknown) => error));
  await expect(instances.take()).rejects.toMatchObject({ code: "QUEUE_FULL" });
  instances.dispose();
  for (const one of await Promise.all(waiting)) expect(one).toMatchObject({ code: "NOT_FOUND" });
});

test("whoever gives up waiting leaves the queue", async () => {
  const { instances } = pool(["works"], { concurrency: 1, instances: 1 });
  const place = await instances.take();
  const controller = new AbortController();
  const given = instances.take(controller.signal).catch((error: unknown) => error);
  const next = instances.take();
  controller.abort(new DawnletError("CANCELLED", "gone"));
  expect(await given).toMatchObject({ code: "CANCELLED" });
  place[Symbol.dispose]();
  expect((await next).instance.number).toBe(0);
});

test("where no instance starts, all that wait hear why, and the next ones at once until it is tried again", async () => {
  const broken = new DawnletError("FUNCTION_FAILED", "it throws");
  const { instances, asked } = pool([broken, "works"]);
  const all = await Promise.allSettled([instances.take(), instances.take()]);
  expect(all.map((one) => one.status === "rejected" && one.reason)).toEqual([broken, broken]);
  await expect(instances.take()).rejects.toBe(broken);
  expect(asked()).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  using place = await instances.take();
  expect(place.instance.number).toBe(0);
});

test("an instance that ended by itself takes nothing more, and those that wait get another", async () => {
  const { instances, made } = pool(["works"], { concurrency: 1, instances: 1 });
  const first = await instances.take();
  const second = instances.take();
  made[0]!.end();
  expect((await second).instance.number).toBe(1);
  // Its places go with it.
  first[Symbol.dispose]();
  expect(instances.instances.map(({ number }) => number)).toEqual([1]);
});

test("property: places are never more than there may be, and nobody waits while there is one", async () => {
  vi.useRealTimers();
  const steps = fc.array(fc.nat({ max: 9 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(steps, async (choices) => {
      const { instances, made } = pool(["works"], { idleMs: 100_000 });
      const places: Place<Fake>[] = [];
      for (const choice of choices) {
        if (choice < 6)
          void instances.take().then(
            (place) => places.push(place),
            () => {},
          );
        else if (choice < 9) places.splice(choice % Math.max(1, places.length), 1)[0]?.[Symbol.dispose]();
        else made.findLast(({ hasEnded }) => !hasEnded)?.end();
        for (let i = 0; i < 6; i++) await Promise.resolve();
        const living = made.filter(({ hasEnded }) => !hasEnded);
        expect(living.length).toBeLessThanOrEqual(limits.instances);
        const used = living.map((one) => places.filter(({ instance }) => instance === one).length);
        expect(Math.max(0, ...used)).toBeLessThanOrEqual(limits.concurrency);
        const isFull =
          used.length === limits.instances && used.every((count) => count === limits.concurrency);
        if (!isFull) expect(instances.waiting).toBe(0);
      }
      instances.dispose();
    }),
    { numRuns: 100 },
  );
});

test("a request that has waited for too long leaves the queue with the error that it is given", async () => {
  const late = new DawnletError("DEADLINE_EXCEEDED", "too late");
  const ended: object[] = [];
  const instances = new InstancePool<PooledInstance>({
    subject: "function 'x'",
    limits: { concurrency: 1, instances: 1, idleMs: 1000 },
    waitLimit: { ms: 100, error: () => late },
    start: async () => {
      const instance = { isBusy: false, end: () => ended.push(instance) };
      return instance;
    },
  });
  const first = await instances.take();
  const waiting = [instances.take(), instances.take()].map((taking) =>
    taking.catch((error: unknown) => error),
  );
  await vi.advanceTimersByTimeAsync(99);
  expect(instances.waiting).toBe(2);
  first[Symbol.dispose]();
  const served = await waiting[0];
  await vi.advanceTimersByTimeAsync(1);
  expect(await waiting[1]).toBe(late);
  expect(instances.waiting).toBe(0);
  // Who was served is not called back.
  await vi.advanceTimersByTimeAsync(1000);
  expect(instances.running).toBe(1);
  (served as Place<PooledInstance>)[Symbol.dispose]();
});
