/** Forecast, idle window and autoscaler together: what becomes of a function by its calls alone. */
import { describe, expect, it } from "vitest";
import type { ScalingAction } from "../../../../gateway/scheduler/scaling/actions.ts";
import { defaultForecast, forecasts } from "../../../../gateway/scheduler/scaling/forecast/forecasts.ts";
import { noIdleTimes, withIdleTime } from "../../../../gateway/scheduler/scaling/idle-times.ts";
import { idleWindowOf, tierAfter } from "../../../../gateway/scheduler/scaling/idle-window.ts";
import { demandOf, gpus, Polled, pollMs } from "./fleets.ts";

interface Happened {
  readonly atMs: number;
  readonly action: ScalingAction;
}

/** Calls in each interval of ten seconds, at its beginning. */
function play(intervals: readonly number[]): Happened[] {
  const polled = new Polled();
  const forecast = forecasts[defaultForecast];
  let state: readonly number[] = forecast.initial;
  let times = noIdleTimes;
  let lastCallMs = 0;
  let isInHost = true;
  const happened: Happened[] = [];
  for (const [index, calls] of intervals.entries()) {
    const nowMs = index * pollMs;
    if (calls > 0) {
      if (index > 0) times = withIdleTime(times, nowMs - lastCallMs);
      lastCallMs = nowMs;
      isInHost = true;
    }
    state = forecast.observe(state, calls);
    const rate = forecast.next(state) / (pollMs / 1000);
    const tier = tierAfter(idleWindowOf(times), nowMs - lastCallMs);
    for (const action of polled.poll(gpus(2), [demandOf("a", rate, { tier, isInHost })]).actions) {
      happened.push({ atMs: nowMs, action });
      if (action.type === "dropHost") isInHost = false;
    }
  }
  return happened;
}

function intervals(minutes: number, calls: (index: number) => number): number[] {
  return Array.from({ length: minutes * 6 }, (_, index) => calls(index));
}

const minute = 60_000;

describe("a function over time", () => {
  it("is added once for a steady load, and not touched again", () => {
    const happened = play(intervals(60, () => 100));
    expect(happened.map(({ action }) => action.type)).toEqual(["add"]);
  });

  it("grows with a burst at once, and goes back minutes after it", () => {
    const happened = play(intervals(30, (index) => (index >= 60 && index < 66 ? 3000 : 100)));
    const sizes = happened.map(({ atMs, action }) => [action.type, Math.floor(atMs / minute)]);
    expect(sizes[1]).toEqual(["resize", 10]);
    const last = happened.at(-1)!;
    expect(last.action.type).toBe("resize");
    // The last of the burst is forgotten after five minutes; too much for a minute more is too much.
    expect(last.atMs).toBeGreaterThanOrEqual(16 * minute);
    expect(last.atMs).toBeLessThan(19 * minute);
  });

  it("leaves the device when its calls have ended, and host memory hours later", () => {
    const happened = play(intervals(300, (index) => (index < 60 ? 50 : 0)));
    expect(happened.map(({ action }) => action.type)).toEqual(["add", "remove", "dropHost"]);
    expect(happened[1]!.atMs).toBeLessThan(11 * minute);
    expect(happened[2]!.atMs).toBeGreaterThanOrEqual(4 * 60 * minute);
  });

  it("is brought back before each call of a timer, once the timer is known", () => {
    const everyMs = 30 * minute;
    const happened = play(intervals(600, (index) => ((index * pollMs) % everyMs === 0 ? 1 : 0)));
    const added = happened.filter(({ action }) => action.type === "add").map(({ atMs }) => atMs % everyMs);
    // At first it is added with the call.
    expect(added.slice(0, 4).every((sinceCallMs) => sinceCallMs === 0)).toBe(true);
    const known = added.slice(7);
    expect(known.length).toBeGreaterThan(8);
    for (const sinceCallMs of known) expect(sinceCallMs).toBeGreaterThan(20 * minute);
    const removed = happened.filter(({ action }) => action.type === "remove");
    expect(removed.length).toBeGreaterThan(8);
  });
});
