import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Heartbeat } from "../../../runtime/supervisor/heartbeat.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch(ask: () => Promise<unknown>) {
  const state = { isBusy: true, silences: 0 };
  const heartbeat = new Heartbeat({
    intervalMs: 10,
    ask,
    isBusy: () => state.isBusy,
    limitMs: () => 50,
    onSilence: () => state.silences++,
  });
  heartbeat.start();
  return { state, heartbeat };
}

const never = () => new Promise<never>(() => {});

test("a process that answers is left alone, whatever it answers", async () => {
  const ask = vi.fn(() => Promise.reject(new Error("no")));
  const { state } = watch(ask);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(state.silences).toBe(0);
  expect(ask.mock.calls.length).toBeGreaterThan(30);
});

test("one that does not is noticed once, after its limit", async () => {
  const { state } = watch(never);
  await vi.advanceTimersByTimeAsync(59);
  expect(state.silences).toBe(0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(state.silences).toBe(1);
});

test("nothing is asked of a process without work", async () => {
  const ask = vi.fn(never);
  const { state } = watch(ask);
  state.isBusy = false;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ask).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test("an answer that comes late from a process before does not count for the next", async () => {
  const first = Promise.withResolvers<void>();
  const ask = vi.fn(never).mockImplementationOnce(() => first.promise as Promise<never>);
  const { state, heartbeat } = watch(ask);
  await vi.advanceTimersByTimeAsync(10);
  heartbeat.stop();
  heartbeat.start();
  await vi.advanceTimersByTimeAsync(10);
  first.resolve();
  await vi.advanceTimersByTimeAsync(50);
  expect(state.silences).toBe(1);
});
