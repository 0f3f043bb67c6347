import { describe, expect, test } from "vitest";
import { type CellOptions, measureCell } from "../../../../gateway/functions/profile/measure-cell.ts";
import { FakeClock, FakeDevice, type FakeDeviceOptions } from "./fake-device-clock.ts";

async function cell(options: FakeDeviceOptions & Partial<CellOptions>) {
  const clock = new FakeClock();
  const device = new FakeDevice(clock, options);
  const figures = await measureCell({
    run: () => device.run(),
    ...{ quota: 1, lanes: 1, windowMs: 100, leastMs: 500, leastRuns: 5, deadline: 1e9, clock },
    ...options,
  });
  return { ...figures, device, clock };
}

describe("measureCell()", () => {
  test("counts answers a second, and how long each took", async () => {
    const { runs, runsPerSecond, p50Ms, p98Ms } = await cell({ places: 1, runMs: 10 });
    expect(runsPerSecond).toBeCloseTo(100);
    expect([p50Ms, p98Ms]).toEqual([10, 10]);
    expect(runs).toBe(50);
  });

  test("has as many runs under way as there are lanes", async () => {
    const { runsPerSecond, device, p50Ms } = await cell({ places: 4, runMs: 10, lanes: 4 });
    expect(device.mostAsked).toBe(4);
    expect(runsPerSecond).toBeCloseTo(400);
    expect(p50Ms).toBe(10);
    const waiting = await cell({ places: 2, runMs: 10, lanes: 4 });
    expect(waiting.runsPerSecond).toBeCloseTo(200);
    expect(waiting.p50Ms).toBe(20);
  });

  test.each([0.2, 0.4, 0.8])("leaves the device the rest of its time at a quota of %d", async (quota) => {
    for (const lanes of [1, 2]) {
      const { runsPerSecond, p50Ms, device, clock } = await cell({ places: 2, runMs: 10, lanes, quota });
      expect(runsPerSecond).toBeCloseTo(100 * lanes * quota, 0);
      expect(p50Ms).toBeCloseTo(10 / quota, 0);
      const busyMs = device.spans.filter((_, i) => i % lanes === 0).length * 10;
      expect(busyMs / clock.now()).toBeLessThanOrEqual(quota + 10 / clock.now());
    }
  });

  test("takes pauses of a long run all the same", async () => {
    const { runs, runsPerSecond } = await cell({ places: 1, runMs: 900, quota: 0.5 });
    expect(runs).toBe(5);
    expect(runsPerSecond).toBeCloseTo(0.5 / 0.9);
  });

  test("is not misled by one pause of the machine", async () => {
    const clock = new FakeClock();
    let calls = 0;
    const run = async () => {
      await clock.sleep(++calls === 20 ? 400 : 10);
      return { executeMs: 10 };
    };
    const { runsPerSecond } = await cell({ places: 1, runMs: 10, run, clock });
    expect(runsPerSecond).toBeCloseTo(100);
  });

  test("needs one run only once its time is over", async () => {
    const { runs } = await cell({ places: 1, runMs: 200, deadline: 100 });
    expect(runs).toBe(1);
    expect((await cell({ places: 1, runMs: 200 })).runs).toBe(5);
  });

  test("fails with what a run fails with, and leaves none under way", async () => {
    const clock = new FakeClock();
    let [begun, ended] = [0, 0];
    const run = async () => {
      const number = ++begun;
      await clock.sleep(number === 8 ? 1 : 10);
      ended++;
      if (number === 8) throw new Error("the device is gone");
      return { executeMs: 10 };
    };
    const failing = cell({ places: 1, runMs: 10, lanes: 3, run, clock });
    await expect(failing).rejects.toThrow("the device is gone");
    expect(ended).toBe(begun);
    expect(begun).toBeLessThan(12);
  });
});
