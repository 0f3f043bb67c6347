import { beforeEach, expect, test } from "vitest";
import { CallWatch } from "../../../gateway/autoscale/call-watch.ts";
import { forecasts } from "../../../gateway/scheduler/scaling/forecast/forecasts.ts";
import { idleQuantileMs } from "../../../gateway/scheduler/scaling/idle-times.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";

const owner = { name: "f", version: 1, settings: defaultMemorySettings };
let now: number;
let watch: CallWatch;

beforeEach(() => {
  now = 1_000_000;
  watch = new CallWatch({ now: () => now, intervalMs: 10_000, forecast: forecasts.last });
});

/** @returns what ends it. */
function call(): () => Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  watch.called(owner, promise);
  return async () => {
    // One that fails was a call, too.
    if (now % 2 === 0) resolve();
    else reject(new Error("no"));
    await promise.catch(() => undefined);
  };
}

test("calls are counted an interval, and forecast a second", async () => {
  for (let i = 0; i < 30; i++) await call()();
  expect(watch.intervalEnded(owner)).toBe(3);
  expect(watch.intervalEnded(owner)).toBe(0);
});

test("a function is idle from the end of its last call, and no times shorter than an interval count", async () => {
  const [first, second] = [call(), call()];
  now += 60_000;
  expect(watch.idleMs(owner)).toBe(0);
  await first();
  now += 60_001;
  expect(watch.idleMs(owner)).toBe(0);
  await second();
  now += 9_999;
  expect(watch.idleMs(owner)).toBe(0);
  await call()();
  expect(watch.idleTimes(owner).total).toBe(0);
  now += 50_000;
  expect(watch.idleMs(owner)).toBe(50_000);
  const ends = [call(), call()];
  expect(watch.idleMs(owner)).toBe(0);
  expect(watch.idleTimes(owner).total).toBe(1);
  const median = idleQuantileMs(watch.idleTimes(owner), 0.5);
  expect(median).toBeGreaterThanOrEqual(50_000);
  expect(median).toBeLessThan(60_000);
  for (const end of ends) await end();
});

test("one that was never called is idle since it was heard of", async () => {
  expect(watch.idleMs(owner)).toBe(0);
  now += 20_000;
  expect(watch.idleMs(owner)).toBe(20_000);
  expect(watch.wasCalled(owner)).toBe(false);
  const end = call();
  expect(watch.wasCalled(owner)).toBe(true);
  await end();
  expect(watch.idleTimes(owner).total).toBe(0);
});
