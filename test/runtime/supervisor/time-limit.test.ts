import { expect, test } from "vitest";
import { maxTimeLimitMs } from "../../../kernels/manifest/time-limit.ts";
import { timeLimitFor } from "../../../runtime/supervisor/time-limit.ts";

test("a run may take ten seconds, and more where verification took long", () => {
  expect(timeLimitFor({})).toBe(10_000);
  expect(timeLimitFor({ verifiedMs: 100 })).toBe(10_000);
  expect(timeLimitFor({ verifiedMs: 3_000 })).toBe(60_000);
  expect(timeLimitFor({ verifiedMs: 100_000 })).toBe(maxTimeLimitMs);
});

test("what the manifest states goes before what was measured", () => {
  expect(timeLimitFor({ statedMs: 1_500, verifiedMs: 3_000 })).toBe(1_500);
});
