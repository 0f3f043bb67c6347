import { describe, expect, test } from "vitest";
import { calibrationOf, hostTimes, type Measured } from "../../../bench/live/calibrate.ts";

const times = (ms: number) => Array.from({ length: 10 }, () => ms);

/** Of two devices: alone a run takes 10 ms, a load 6; with both busy half as long again, and twice as long. */
const measured: Measured = {
  warm: [times(10), times(15)],
  onDevice: [times(0.9), times(0.75)],
  cold: [times(16), times(27)],
  loads: [times(7), times(13)],
  host: [times(2), times(5)],
};

describe("calibration", () => {
  test("tells runs, loads and what HTTP adds apart, and how much busy devices slow each down", () => {
    expect(calibrationOf([measured])).toEqual({
      ...{ runMs: 10, returnPart: 0.25, loadMs: 6, hostMs: 2, slowness: [1, 1.5], loadSlowness: [1, 2] },
      // Of others none, one, both with the next waiting.
      hostSlowness: [1, 1.75, 2.5],
      ...{ spread: times(1), loadSpread: times(1), hostSpread: times(1) },
    });
  });

  test("takes what was measured at several times together, and keeps a slow time in the spreads, in its place", () => {
    const slow = { ...measured, warm: [times(10), times(45)], loads: [times(7), times(39)] };
    const { slowness, spread, loadSpread } = calibrationOf([measured, slow, measured]);
    expect(slowness).toEqual([1, 1.5]);
    expect(spread).toEqual([...times(1), ...times(3), ...times(1)]);
    // Without the three fastest and the three slowest.
    const meanMs = (17 * 13 + 7 * 39) / 24;
    expect(loadSpread[0]).toBeCloseTo(13 / meanMs);
    expect(loadSpread[10]).toBeCloseTo(39 / meanMs);
  });

  test("never says that company makes anything faster", () => {
    const odd = { ...measured, warm: [times(10), times(8)], cold: [times(16), times(9)] };
    expect(calibrationOf([odd])).toMatchObject({ slowness: [1, 1], loadSlowness: [1, 1] });
  });
});

describe("what HTTP and the gateway add", () => {
  const call = (fn: number, sentAt: number, tookMs: number) => ({ function: fn, sentAt, tookMs });
  const run = (fn: string, arrivedAt: number, endedAt: number) => ({
    ...{ function: fn, isCold: false, arrivedAt, endedAt },
    ...{ tookMs: endedAt - arrivedAt, deviceMs: endedAt - arrivedAt },
  });

  test("is what is left of a call without its own run", () => {
    const calls = [call(1, 0, 14), call(1, 1, 30), call(11, 2, 20)];
    const runs = [run("f11@1/3", 3, 21), run("f1@1/2", 1, 12), run("f1@1/2", 2, 28)];
    expect(hostTimes(calls, runs)).toEqual([3, 4, 2]);
  });

  test("is not known of a call whose run was not seen", () => {
    expect(hostTimes([call(1, 0, 14)], [run("f1@1/2", 5, 20), run("f2@1/2", 1, 9)])).toEqual([]);
  });
});
