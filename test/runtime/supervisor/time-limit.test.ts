import { expect, test } from "vitest";
import { maxTimeLimitMs } from "../../../kernels/manifest/time-limit.ts";
import { defaultTimeLimitMs, sessionLimitFor, timeLimitFor } from "../../../runtime/supervisor/time-limit.ts";

test("a run may take ten seconds, and more where verification took long", () => {
  expect(timeLimitFor({})).toBe(10_000);
  expect(timeLimitFor({ verifiedMs: 100 })).toBe(10_000);
  expect(timeLimitFor({ verifiedMs: 3_000 })).toBe(60_000);
  expect(timeLimitFor({ verifiedMs: 100_000 })).toBe(maxTimeLimitMs);
});

test("what the manifest states goes before what was measured", () => {
  expect(timeLimitFor({ statedMs: 1_500, verifiedMs: 3_000 })).toBe(1_500);
});

test("is never more than its owner may have, whatever was stated or measured", () => {
  const mostMs = 60_000;
  for (const [sources, limitMs] of [
    [{ statedMs: 600_000 }, 60_000],
    [{ verifiedMs: 8_000 }, 60_000],
    [{ statedMs: 2_000 }, 2_000],
    [{}, defaultTimeLimitMs],
  ] as const) {
    expect(timeLimitFor({ ...sources, mostMs })).toBe(limitMs);
    // The control case: without an owner's, more is allowed.
    expect(timeLimitFor(sources)).toBeGreaterThanOrEqual(limitMs);
  }
  expect(timeLimitFor({ mostMs: 3_000 })).toBe(3_000);
});

test("a run in a session may take two minutes, or what the manifest states, and never more than its owner may have", () => {
  expect(sessionLimitFor({})).toBe(120_000);
  expect(sessionLimitFor({ statedMs: 1_500 })).toBe(1_500);
  expect(sessionLimitFor({ statedMs: 10 * maxTimeLimitMs })).toBe(maxTimeLimitMs);
  expect(sessionLimitFor({ mostMs: 60_000 })).toBe(60_000);
  expect(sessionLimitFor({ statedMs: 2_000, mostMs: 60_000 })).toBe(2_000);
});
