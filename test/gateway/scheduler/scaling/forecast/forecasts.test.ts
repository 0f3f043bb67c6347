import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Forecast } from "../../../../../gateway/scheduler/scaling/forecast/forecast.ts";
import { forecasts } from "../../../../../gateway/scheduler/scaling/forecast/forecasts.ts";
import { holt } from "../../../../../gateway/scheduler/scaling/forecast/holt.ts";
import { peak } from "../../../../../gateway/scheduler/scaling/forecast/peak.ts";
import { windows } from "../../../../../gateway/scheduler/scaling/forecast/windows.ts";

const anyCalls = fc.array(fc.nat(1000), { maxLength: 80 });

function nextAfter(forecast: Forecast, calls: readonly number[]): number {
  return forecast.next(calls.reduce<readonly number[]>(forecast.observe, forecast.initial));
}

describe.each(Object.entries(forecasts))("the forecast '%s'", (_, forecast) => {
  it("expects nothing of what was never called", () => {
    expect(nextAfter(forecast, [])).toBe(0);
    expect(nextAfter(forecast, [0, 0, 0])).toBe(0);
  });

  it("expects the same again of a steady load", () => {
    for (const length of [1, 5, 100]) {
      expect(
        nextAfter(
          forecast,
          Array.from({ length }, () => 7),
        ),
      ).toBeCloseTo(7, 9);
    }
  });

  it("is finite and never below 0, and scales with the calls", () => {
    fc.assert(
      fc.property(anyCalls, fc.integer({ min: 2, max: 9 }), (calls, factor) => {
        const next = nextAfter(forecast, calls);
        expect(next).toBeGreaterThanOrEqual(0);
        expect(next).toBeLessThan(1e5);
        const times = calls.map((count) => count * factor);
        expect(nextAfter(forecast, times)).toBeCloseTo(next * factor, 5);
      }),
    );
  });

  it("forgets: after an hour of nothing it expects next to nothing", () => {
    fc.assert(
      fc.property(anyCalls, (calls) => {
        const quiet = Array.from({ length: 360 }, () => 0);
        expect(nextAfter(forecast, [...calls, ...quiet])).toBeLessThan(1e-3);
      }),
    );
  });

  it("keeps a state of bounded size", () => {
    let state = forecast.initial;
    for (let i = 0; i < 500; i++) state = forecast.observe(state, i);
    expect(state.length).toBeLessThanOrEqual(30);
  });
});

describe("holt()", () => {
  it("sees a rise go on; the highest so far does not", () => {
    const rising = Array.from({ length: 60 }, (_, i) => 10 * i);
    expect(nextAfter(holt({ level: 0.5, trend: 0.3 }), rising)).toBeCloseTo(600, 0);
    expect(nextAfter(peak({ window: 30, quantile: 1 }), rising)).toBe(590);
  });
});

describe("windows()", () => {
  it("follows a rise by the short window and a lull by the long one", () => {
    const two = windows({ short: 2, long: 10, deviations: 0 });
    expect(nextAfter(two, [1, 1, 1, 1, 9, 11])).toBe(10);
    expect(nextAfter(two, [10, 10, 10, 10, 10, 10, 10, 10, 0, 0])).toBe(8);
  });

  it("gives more to what comes in bursts than to what comes evenly", () => {
    const wide = windows({ short: 4, long: 4, deviations: 1 });
    expect(nextAfter(wide, [5, 5, 5, 5])).toBe(5);
    expect(nextAfter(wide, [0, 10, 0, 10])).toBe(10);
  });
});

describe("peak()", () => {
  it("is the highest of the window, or the quantile of it", () => {
    expect(nextAfter(peak({ window: 3, quantile: 1 }), [90, 2, 8, 4])).toBe(8);
    expect(nextAfter(peak({ window: 4, quantile: 0.75 }), [90, 2, 8, 4])).toBe(8);
    expect(nextAfter(peak({ window: 4, quantile: 0 }), [90, 2, 8, 4])).toBe(2);
  });
});
