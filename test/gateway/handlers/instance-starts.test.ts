/** How starts of instances are counted. */
import { expect, test } from "vitest";
import { InstanceStarts } from "../../../gateway/handlers/instance-starts.ts";

test("starts and ends are counted, and those that failed apart", () => {
  const starts = new InstanceStarts();
  expect([starts.count, starts.failed, starts.live, starts.medianMs]).toEqual([0, 0, 0, undefined]);
  for (const ms of [30, 10, 20]) starts.started(ms);
  starts.didNotStart();
  starts.ended();
  expect([starts.count, starts.failed, starts.live, starts.medianMs]).toEqual([3, 1, 2, 20]);
});

test("the median is that of the last starts", () => {
  const starts = new InstanceStarts();
  for (let i = 0; i < 100; i++) starts.started(1000);
  for (let i = 0; i < 40; i++) starts.started(5);
  expect(starts.medianMs).toBe(5);
});
