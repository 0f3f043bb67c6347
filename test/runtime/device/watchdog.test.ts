/** Whose work is found to hang, on a clock of the test's own. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Watchdog } from "../../../runtime/device/watchdog.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("only the oldest work is timed, from when it is the oldest", () => {
  const watchdog = new Watchdog();
  const stuck: string[] = [];
  const first = watchdog.watch(100, () => stuck.push("first"));
  watchdog.watch(50, () => stuck.push("second"));
  vi.advanceTimersByTime(90);
  expect(first.end()).toBe(90);
  vi.advanceTimersByTime(49);
  expect(stuck).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(stuck).toEqual(["second"]);
});

test("a part has what the parts before it have left of its run's limit, rounds between them aside", () => {
  const watchdog = new Watchdog();
  const stuck: string[] = [];
  let spentMs = 0;
  const watchPart = (name: string) =>
    watchdog.watch(
      () => 100 - spentMs,
      () => stuck.push(name),
    );
  const first = watchPart("first");
  const round = watchdog.watch(1000, () => stuck.push("round"));
  const last = watchPart("last");
  vi.advanceTimersByTime(60);
  spentMs += first.end();
  vi.advanceTimersByTime(500);
  expect(round.end()).toBe(500);
  vi.advanceTimersByTime(39);
  expect(stuck).toEqual([]);
  // A round behind it that is in no hurry to end does not hide it.
  watchdog.watch(10, () => stuck.push("behind"));
  vi.advanceTimersByTime(1);
  expect(stuck).toEqual(["last"]);
  expect(last.end()).toBe(40);
});
