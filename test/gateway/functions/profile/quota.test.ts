import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeviceTime } from "../../../../gateway/functions/profile/device-time.ts";
import { QuotaBucket } from "../../../../gateway/functions/profile/quota-bucket.ts";

describe("DeviceTime", () => {
  test("counts what runs have in common once", () => {
    const time = new DeviceTime();
    expect(time.add(10, 4)).toBe(4);
    // Beside the first: 6 to 12.
    expect(time.add(12, 6)).toBe(2);
    expect(time.add(12, 6)).toBe(0);
    expect(time.add(20, 3)).toBe(3);
  });

  test("counts all of runs that go one after another", () => {
    const runs = fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { minLength: 1 });
    fc.assert(
      fc.property(runs, (all) => {
        const time = new DeviceTime();
        let now = 0;
        for (const [pauseMs, runMs] of all) {
          now += pauseMs + runMs;
          expect(time.add(now, runMs)).toBe(runMs);
        }
      }),
    );
  });
});

describe("QuotaBucket", () => {
  test("waits after a run until its quota has paid for it, and without one does not", () => {
    const bucket = new QuotaBucket(0.2, 100, 0);
    expect(bucket.waitMs(0)).toBe(0);
    bucket.charge(10, 10);
    // 2 ms came in meanwhile, 8 are owed.
    expect(bucket.waitMs(10)).toBeCloseTo(40);
    expect(bucket.waitMs(50)).toBeCloseTo(0);
    const whole = new QuotaBucket(1, 100, 0);
    whole.charge(1000, 1);
    expect(whole.waitMs(1)).toBe(0);
  });

  test("holds no more than its window's tokens", () => {
    const bucket = new QuotaBucket(0.5, 100, 0);
    bucket.charge(1, 10_000);
    // Not the 4999 that were left: 50.
    bucket.charge(60, 10_000);
    expect(bucket.waitMs(10_000)).toBeCloseTo(20);
  });

  test("gives a run that is longer than the window what came in meanwhile", () => {
    const bucket = new QuotaBucket(0.5, 100, 0);
    bucket.charge(1000, 1000);
    expect(bucket.waitMs(1000)).toBeCloseTo(1000);
  });

  test("lets nobody have more than the quota, a window and the last run", () => {
    const any = fc.record({
      quota: fc.integer({ min: 1, max: 19 }).map((part) => part / 20),
      runs: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 60 }),
    });
    fc.assert(
      fc.property(any, ({ quota, runs }) => {
        const bucket = new QuotaBucket(quota, 100, 0);
        let [now, usedMs] = [0, 0];
        for (const runMs of runs) {
          now += bucket.waitMs(now);
          expect(usedMs).toBeLessThanOrEqual(quota * (now + 100) + 1e-6);
          now += runMs;
          usedMs += runMs;
          bucket.charge(runMs, now);
        }
        // Nor does it hold back what is due.
        now += bucket.waitMs(now);
        expect(usedMs).toBeGreaterThanOrEqual(quota * now - 1e-6);
      }),
    );
  });
});
