import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceState } from "../../../../../gateway/scheduler/core/device-state.ts";
import { FunctionState } from "../../../../../gateway/scheduler/core/function-state.ts";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { QuotaMeter, windowMs } from "../../../../../gateway/scheduler/policies/deadline/quota-meter.ts";
import { functionSpec } from "../../core/specs.ts";
import { Stage } from "../stage.ts";

const ranMs = (stage: Stage, fn: string, runMs: number, from: number, to: number) =>
  runMs *
  stage.done.filter((one) => one.type === "run" && one.function === fn && one.at >= from && one.at < to)
    .length;

describe("a quota", () => {
  it("keeps a function to its limit of an idle device, and uses it", () => {
    fc.assert(
      fc.property(fc.constantFrom(0.1, 0.25, 0.6), fc.constantFrom(5, 20, 100), (limit, runMs) => {
        const stage = new Stage(deadline);
        stage.device("a");
        stage.function("f", { quota: { request: 0, limit } }, { runMs });
        for (let i = 0; i < 2_500; i++) stage.call("f");
        stage.until(12_000);
        const share = ranMs(stage, "f", runMs, 4_000, 12_000) / 8_000;
        // One run may begin just below the limit.
        expect(share).toBeLessThanOrEqual(limit + runMs / windowMs);
        expect(share).toBeGreaterThan(0.9 * limit);
      }),
      { numRuns: 9 },
    );
  });

  it("has everybody run in the end, with few wakes, and one function beside a limited one uses the rest", () => {
    const stage = new Stage(deadline);
    stage.device("a");
    stage.function("f", { quota: { request: 0, limit: 0.2 } });
    stage.function("g");
    for (let i = 0; i < 100; i++) for (const id of ["f", "g"]) stage.call(id);
    stage.until(1_400);
    expect(ranMs(stage, "g", 10, 0, 1_400)).toBeGreaterThan(900);
    stage.until(20_000);
    expect(stage.runs.length).toBe(200);
    const wakes = stage.done.filter(({ type }) => type === "wake").length;
    expect(wakes).toBeGreaterThan(0);
    expect(wakes).toBeLessThan(200);
  });

  it("is woken for on each device, however many wait at the same time", () => {
    const stage = new Stage(deadline);
    for (const id of ["a", "b"]) stage.device(id);
    stage.function("slow", { quota: { request: 0, limit: 0.05 } }, { runMs: 200 });
    stage.function("fast", { quota: { request: 0, limit: 0.05 } }, { runMs: 60 });
    for (const device of ["a", "b"]) {
      for (let i = 0; i < 3; i++) for (const fn of ["slow", "fast"]) stage.call(fn, { device });
    }
    stage.until(60_000);
    expect(stage.runs.length).toBe(12);
  });

  it("goes first below its request, and not above it", () => {
    const stage = new Stage(deadline);
    stage.device("a");
    stage.function("f", { quota: { request: 0.3, limit: 1 } });
    stage.function("g");
    // In time, all of them: without its request f would have what g leaves.
    for (let i = 0; i < 1_000; i++) stage.call("g", { deadline: 20_000 });
    for (let i = 0; i < 1_000; i++) stage.call("f");
    stage.until(100);
    for (let i = 0; i < 500; i++) stage.call("f", { deadline: 50_000 });
    stage.until(3_000);
    expect(ranMs(stage, "f", 10, 1_000, 3_000)).toBeGreaterThanOrEqual(0.28 * 2_000);
    expect(ranMs(stage, "g", 10, 0, 3_000)).toBeGreaterThan(0);
  });

  it("sends calls to a device where the function may run sooner", () => {
    const stage = new Stage(deadline);
    for (const id of ["a", "b"]) stage.device(id);
    stage.function("f", { quota: { request: 0, limit: 0.1 } }, { runMs: 400 });
    stage.call("f");
    stage.until(500);
    stage.call("f");
    expect(stage.runs.toSorted()).toEqual(["f@a!", "f@b!"]);
    stage.until(1_000);
    const refused = stage.call("f", { deadline: 1_500, refuseLate: true });
    expect(stage.rejections.map((one) => one.split(":")[0])).toEqual([`${refused}`]);
  });

  it("meters a share that fades, and says when the limit is past", () => {
    const meter = new QuotaMeter();
    const device = {} as DeviceState;
    const fn = new FunctionState(functionSpec("f", { quota: { request: 0.2, limit: 0.5 } }));
    expect(meter.allowedAt(device, fn, 0)).toBe(0);
    expect(meter.isBelowRequest(device, fn, 0)).toBe(true);
    meter.charge(device, fn, 800, 0);
    expect(meter.share(device, fn, 0)).toBeCloseTo(0.8);
    const allowedAt = meter.allowedAt(device, fn, 0);
    expect(allowedAt).toBeCloseTo(windowMs * Math.log(0.8 / 0.5), 1);
    expect(meter.allowedAt(device, fn, allowedAt)).toBe(allowedAt);
    expect(meter.isBelowRequest(device, fn, allowedAt)).toBe(false);
    expect(meter.isBelowRequest(device, fn, allowedAt + windowMs)).toBe(true);
    meter.charge(device, fn, -10_000, allowedAt);
    expect(meter.share(device, fn, allowedAt)).toBe(0);
    const free = new FunctionState(functionSpec("free"));
    meter.charge(device, free, 10_000, 0);
    expect(meter.allowedAt(device, free, 0)).toBe(0);
  });
});
