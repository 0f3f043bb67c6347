import { expect, test } from "vitest";
import { parseProcessorTime, processorTime, stolenBetween } from "../../../bench/harness/stolen-time.ts";

test("is the eighth of the times of all processors", () => {
  const text = "cpu  100 1 50 800 9 0 10 30 7 0\ncpu0 50 1 25 400 4 0 5 15 7 0\n";
  expect(parseProcessorTime(text)).toEqual({ all: 1_000, stolen: 30 });
  expect(parseProcessorTime("cpu  1 2 3\n")).toBeUndefined();
  expect(parseProcessorTime("")).toBeUndefined();
});

test("is told as a part of what went by", () => {
  expect(stolenBetween({ all: 100, stolen: 10 }, { all: 200, stolen: 15 })).toBe(0.05);
  expect(stolenBetween({ all: 100, stolen: 10 }, { all: 100, stolen: 10 })).toBe(0);
  expect(stolenBetween(undefined, { all: 100, stolen: 10 })).toBe(0);
});

test("grows no faster than all time where the system tells it", async () => {
  const time = await processorTime();
  if (process.platform !== "linux") return expect(time).toBeUndefined();
  expect(time!.all).toBeGreaterThan(0);
  expect(time!.stolen).toBeLessThanOrEqual(time!.all);
});
