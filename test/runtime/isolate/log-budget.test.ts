import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LogBudget } from "../../../runtime/isolate/log-budget.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("`LogBudget` takes a burst, then so many lines a second, and tells of those it dropped", () => {
  let now = 0;
  const dropped: number[] = [];
  const budget = new LogBudget({
    burst: 10,
    perSecond: 2,
    now: () => now,
    onDropped: (lines) => dropped.push(lines),
  });
  const taken = (lines: number) => Array.from({ length: lines }, () => budget.take()).filter(Boolean).length;
  expect(taken(25)).toBe(10);
  now = 1000;
  vi.advanceTimersByTime(1000);
  expect(dropped).toEqual([15]);
  expect(taken(5)).toBe(2);
  vi.advanceTimersByTime(1000);
  expect(dropped).toEqual([15, 3]);
  // A pause fills no more than a burst.
  now = 1_000_000;
  expect(taken(25)).toBe(10);
});

test("`LogBudget` says nothing where nothing was dropped", () => {
  const onDropped = vi.fn();
  const budget = new LogBudget({ burst: 3, perSecond: 1, now: () => 0, onDropped });
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, true]);
  vi.advanceTimersByTime(10_000);
  expect(onDropped).not.toHaveBeenCalled();
});
