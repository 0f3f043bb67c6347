import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type IdleTimes,
  idleQuantileMs,
  longestIdleMs,
  noIdleTimes,
  withIdleTime,
} from "../../../../gateway/scheduler/scaling/idle-times.ts";
import {
  defaultIdleWindow,
  idleWindowOf,
  tierAfter,
} from "../../../../gateway/scheduler/scaling/idle-window.ts";

const minute = 60_000;
const anyIdle = fc.oneof(fc.nat(10_000), fc.nat(longestIdleMs), fc.nat(10 * longestIdleMs));
const anyIdles = fc.array(anyIdle, { maxLength: 60 });

function timesOf(idles: readonly number[]): IdleTimes {
  return idles.reduce(withIdleTime, noIdleTimes);
}

function repeated(count: number, ...idles: readonly number[]): IdleTimes {
  return timesOf(Array.from({ length: count }, (_, i) => idles[i % idles.length]!));
}

describe("idleQuantileMs()", () => {
  it("brackets a quantile within a quarter of an octave", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_001, max: longestIdleMs }), (idleMs) => {
        const times = repeated(10, idleMs);
        const [low, high] = [idleQuantileMs(times, 0.5, true), idleQuantileMs(times, 0.5)];
        expect(low).toBeLessThanOrEqual(idleMs * (1 + 1e-9));
        expect(high).toBeGreaterThanOrEqual(idleMs * (1 - 1e-9));
        expect(high / low).toBeCloseTo(2 ** 0.25, 6);
      }),
    );
  });

  it("rises with the part", () => {
    fc.assert(
      fc.property(anyIdles, (idles) => {
        const times = timesOf(idles);
        if (times.total === 0) return;
        const values = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map((part) => idleQuantileMs(times, part));
        for (const [i, value] of values.slice(1).entries()) expect(value).toBeGreaterThanOrEqual(values[i]!);
      }),
    );
  });

  it("is infinite where too many times are longer than the histogram, NaN where nothing is known", () => {
    expect(idleQuantileMs(repeated(10, 2 * longestIdleMs), 0.5)).toBe(Number.POSITIVE_INFINITY);
    expect(idleQuantileMs(noIdleTimes, 0.5)).toBeNaN();
    expect(() => withIdleTime(noIdleTimes, -1)).toThrow(RangeError);
    expect(withIdleTime(noIdleTimes, 0).total).toBe(1);
  });

  it("forgets: a function that has become slower is known as slow", () => {
    const times = timesOf([
      ...Array.from({ length: 500 }, () => 2_000),
      ...Array.from({ length: 500 }, () => 20 * minute),
    ]);
    expect(idleQuantileMs(times, 0.5)).toBeGreaterThan(19 * minute);
  });
});

describe("idleWindowOf()", () => {
  it("is the usual one while little is known, the function's own after that", () => {
    expect(idleWindowOf(noIdleTimes)).toEqual({
      backAfterMs: 0,
      untilMs: 600_000,
      hostUntilMs: longestIdleMs,
    });
    expect(idleWindowOf(repeated(3, 5_000)).untilMs).toBe(600_000);
    expect(idleWindowOf(repeated(5, 5_000)).untilMs).toBeLessThan(8_000);
  });

  it("waits for nearly all idle times of a function that comes at random", () => {
    const { backAfterMs, untilMs } = idleWindowOf(repeated(100, 10_000, 90_000, 4 * minute));
    expect(backAfterMs).toBe(0);
    expect(untilMs).toBeGreaterThan(4 * minute);
    expect(untilMs).toBeLessThan(6 * minute);
  });

  it("lets one that comes every half hour go, and has it back before", () => {
    const window = idleWindowOf(repeated(20, 30 * minute));
    expect(window.backAfterMs).toBeGreaterThan(20 * minute);
    expect(window.backAfterMs).toBeLessThan(30 * minute);
    expect(window.untilMs).toBeGreaterThan(30 * minute);
    const places = [0, 1, 29, 31, 60, 500].map((minutes) => tierAfter(window, minutes * minute));
    expect(places).toEqual(["device", "host", "device", "device", "host", "store"]);
  });

  it("does not send away for less than a minute", () => {
    expect(idleWindowOf(repeated(20, 50_000)).backAfterMs).toBe(0);
    expect(idleWindowOf(repeated(20, 150_000)).backAfterMs).toBeGreaterThan(0);
  });

  it("falls back to the usual one where calls are further apart than the histogram reaches", () => {
    expect(idleWindowOf(repeated(20, 2 * longestIdleMs)).untilMs).toBe(defaultIdleWindow.usualMs);
  });
});

describe("tierAfter()", () => {
  it("has a function that runs on the device, and goes down but for coming back once", () => {
    fc.assert(
      fc.property(anyIdles, fc.array(anyIdle, { minLength: 2, maxLength: 30 }), (idles, moments) => {
        const window = idleWindowOf(timesOf(idles));
        expect(tierAfter(window, 0)).toBe("device");
        // Each moment finds the same stage as the one before, or a later one.
        const stages = ["device", "host", "device", "host", "store"];
        let stage = 0;
        for (const idleMs of [...moments].sort((a, b) => a - b)) {
          stage = stages.indexOf(tierAfter(window, idleMs), stage);
          expect(stage).toBeGreaterThanOrEqual(0);
        }
        expect(tierAfter(window, 1e12)).toBe("store");
      }),
    );
  });
});
