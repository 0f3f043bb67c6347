import { describe, expect, it } from "vitest";
import { Backlog } from "../../../../gateway/scheduler/core/backlog.ts";

/** Runs of so many milliseconds, given at 100. */
function given(...runs: readonly number[]): Backlog {
  const backlog = new Backlog();
  for (const ms of runs) backlog.add(ms, 100);
  return backlog;
}

describe("a backlog", () => {
  it("is what was given less the time since then, but for what only an end can tell", () => {
    const backlog = given(10, 30);
    expect([100, 105, 120, 130, 500].map((now) => backlog.leftMs(now))).toEqual([40, 35, 20, 20, 20]);
    backlog.ended(10, 130);
    expect([130, 150, 160, 500].map((now) => backlog.leftMs(now))).toEqual([30, 10, 0, 0]);
    backlog.ended(30, 500);
    expect([backlog.leftMs(500), backlog.isEmpty, backlog.runs]).toEqual([0, true, 0]);
  });

  it("has not come as far where others had the device, and never less far than nothing", () => {
    const backlog = given(100);
    expect(backlog.leftMs(150)).toBe(50);
    backlog.delayed(20, 150);
    expect(backlog.leftMs(150)).toBe(70);
    backlog.delayed(1_000, 150);
    expect(backlog.leftMs(150)).toBe(100);
    expect(backlog.leftMs(160)).toBe(90);
  });
});
