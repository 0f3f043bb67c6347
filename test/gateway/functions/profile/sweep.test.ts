import { describe, expect, test } from "vitest";
import { type Bench, type SweepOptions, sweep } from "../../../../gateway/functions/profile/sweep.ts";
import type { MeasuredPoint } from "../../../../gateway/scheduler/profile/measured-profile.ts";
import { FakeClock, FakeDevice, type FakeDeviceOptions } from "./fake-device-clock.ts";

interface FakeBenchOptions extends FakeDeviceOptions {
  readonly batches?: readonly number[];
  /** What the device does for others, of each millisecond. */
  readonly othersBusy?: number;
}

async function swept(device: FakeBenchOptions, options: Partial<SweepOptions> = {}) {
  const { batches = [1, 2], othersBusy = 0 } = device;
  const clock = new FakeClock();
  const fake = new FakeDevice(clock, device);
  const messages: string[] = [];
  const bench: Bench = {
    ...{ batches, clock },
    // A run of two calls takes half as long again as a run of one.
    run: (batch) => fake.run((batch + 1) / 2),
    watchOthers: () => {
      const from = clock.now();
      return () => othersBusy * (clock.now() - from);
    },
  };
  const done = await sweep(bench, {
    ...{ quotas: [0.5, 1], maxLanes: 16, seconds: 60 },
    onProgress: (message) => messages.push(message),
    ...options,
  });
  return { ...done, messages, fake, tookMs: clock.now() };
}

const lanesOf = (points: readonly MeasuredPoint[]) => [...new Set(points.map(({ lanes }) => lanes))];
const at = (points: readonly MeasuredPoint[], quota: number, lanes: number, batch: number) =>
  points.find((one) => one.quota === quota && one.lanes === lanes && one.batch === batch)!;

describe("sweep()", () => {
  test("goes up to as many lanes as pay off; shares are parts of those", async () => {
    const { points, fake } = await swept({ places: 4, runMs: 10 });
    expect(lanesOf(points)).toEqual([1, 2, 4]);
    expect([...new Set(points.map(({ share }) => share))]).toEqual([0.25, 0.5, 1]);
    expect(fake.mostAsked).toBe(8);
    expect(lanesOf((await swept({ places: 1, runMs: 10 })).points)).toEqual([1]);
  });

  test("tries no more lanes than it may", async () => {
    const { points, fake } = await swept({ places: 64, runMs: 10 }, { maxLanes: 4 });
    expect(lanesOf(points)).toEqual([1, 2, 4]);
    expect(fake.mostAsked).toBe(4);
  });

  test("measures each combination: calls a second, not runs", async () => {
    const { points, notes, messages } = await swept({ places: 2, runMs: 10 });
    expect(points).toHaveLength(2 * 2 * 2);
    expect(points.every(({ runs }) => runs >= 5)).toBe(true);
    expect(at(points, 1, 2, 1)).toMatchObject({ throughput: 200, p50Ms: 10, p98Ms: 10 });
    expect(at(points, 1, 1, 2).throughput).toBeCloseTo(2000 / 15, 0);
    expect(at(points, 0.5, 1, 1).throughput).toBeCloseTo(50, 0);
    expect(notes).toEqual([]);
    expect(messages).toContain("1: 100 % of time, 1 side by side, batch 1: 100 calls a second, p98 10 ms");
  });

  test("infers small quotas where time is short, and marks them", async () => {
    const { points, tookMs } = await swept({ places: 1, runMs: 200, batches: [1] }, { seconds: 3 });
    const [half, whole] = [at(points, 0.5, 1, 1), at(points, 1, 1, 1)];
    expect(whole.runs).toBeGreaterThan(0);
    expect(half).toEqual({ ...whole, quota: 0.5, runs: 0, throughput: 2.5, p50Ms: 400, p98Ms: 400 });
    expect(tookMs).toBeLessThan(4000);
    const long = await swept({ places: 1, runMs: 200, batches: [1] }, { seconds: 30 });
    expect(at(long.points, 0.5, 1, 1).runs).toBeGreaterThan(0);
  });

  test("leaves out batches for which there is no time, and says so", async () => {
    const { points, notes } = await swept({ places: 1, runMs: 500, batches: [1, 2, 4] }, { seconds: 2 });
    expect(new Set(points.map(({ batch }) => batch))).toEqual(new Set([1]));
    expect(notes).toEqual(["there was no time for runs of 2, 4 calls"]);
    expect(points).toHaveLength(2);
  });

  test("says how busy the device was with others", async () => {
    const { points } = await swept({ places: 1, runMs: 10, othersBusy: 0.25 });
    expect(points.every(({ othersBusy }) => othersBusy === 0.25)).toBe(true);
    expect((await swept({ places: 1, runMs: 10 })).points[0]!.othersBusy).toBe(0);
  });

  test("fails with what a run fails with", async () => {
    const clock = new FakeClock();
    const run = () => Promise.reject(new Error("no such Program"));
    const bench: Bench = { batches: [1], clock, run, watchOthers: () => () => 0 };
    const options = { quotas: [1], maxLanes: 1, seconds: 1, onProgress: () => {} };
    await expect(sweep(bench, options)).rejects.toThrow("no such Program");
  });
});
