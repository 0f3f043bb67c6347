/** How much of the GPU's time an instance of a handler may take. */
import { expect, test } from "vitest";
import { GpuShare } from "../../../gateway/handlers/gpu-share.ts";

test("a tenth of the GPU is a second of any ten", () => {
  const share = new GpuShare(0.1);
  expect(share.isWithin(900, 1000)).toBe(true);
  expect(share.isWithin(1000, 5000)).toBe(true);
  expect(share.isWithin(1001, 9000)).toBe(false);
});

test("what was used longer ago than the window counts no more", () => {
  const share = new GpuShare(0.1);
  expect(share.isWithin(900, 0)).toBe(true);
  expect(share.isWithin(900, 1000)).toBe(true);
  expect(share.isWithin(1800, 11_000)).toBe(true);
  expect(share.isWithin(1901, 11_500)).toBe(false);
});

test("a report that begins again at zero adds to what was used", () => {
  const share = new GpuShare(0.1);
  expect(share.isWithin(900, 0)).toBe(true);
  expect(share.isWithin(100, 100)).toBe(true);
  expect(share.isWithin(101, 200)).toBe(false);
});

test("the whole GPU is not limited", () => {
  const share = new GpuShare(1);
  expect(share.isWithin(100_000, 1)).toBe(true);
});
