import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InterArrivals } from "../../../../gateway/scheduler/policies/inter-arrivals.ts";
import {
  keepAlive,
  keepAliveWith,
  unknownKeepAliveMs,
} from "../../../../gateway/scheduler/policies/keep-alive.ts";
import { native } from "../../../../gateway/scheduler/policies/native.ts";
import { Stage } from "./stage.ts";

describe("native", () => {
  it("gives functions a device for ever, and rejects those that memory has no room for", () => {
    const stage = new Stage(native);
    stage.device("a");
    stage.device("b");
    for (const id of ["f", "g", "h", "i"]) stage.function(id, { weightBytes: 60 });
    stage.function("small", { weightBytes: 40 });
    for (const id of ["f", "g", "h", "small"]) stage.call(id);
    stage.until(1_000);
    expect(stage.runs.toSorted()).toEqual(["f@a", "g@b", "small@a"]);
    expect(stage.rejections).toEqual(["3: every device's memory belongs to other functions than 'h'"]);
    for (const id of ["f", "g", "small", "f"]) stage.call(id);
    stage.until(2_000);
    expect(stage.runs.slice(3).toSorted()).toEqual(["f@a", "f@a", "g@b", "small@a"]);
    expect(stage.evictions).toEqual([]);
  });

  it("lets others run while a process starts", () => {
    const stage = new Stage(native);
    stage.device("a");
    stage.function("slow", {}, { loadMs: 500 });
    stage.function("quick");
    stage.call("slow");
    stage.call("quick");
    stage.until(1_000);
    expect(stage.runs).toEqual(["quick@a", "slow@a"]);
    expect(stage.runTimes).toEqual([10, 500]);
  });
});

describe("keep-alive", () => {
  it("keeps a function for the 99th percentile of the times between its calls, and not longer", () => {
    const stage = new Stage(keepAlive);
    stage.device("a");
    stage.function("f");
    for (let at = 0; at <= 5_000; at += 1_000) stage.call("f", { at });
    // The last run ends at 5,010.
    stage.until(6_009);
    expect(stage.evictions).toEqual([]);
    stage.until(6_010);
    expect(stage.evictions).toEqual(["f@a"]);
    expect(stage.done.at(-1)).toMatchObject({ reason: "not called for 1.0 s" });
    stage.call("f");
    expect(stage.done.filter(({ type }) => type === "load")).toHaveLength(2);
  });

  it("keeps one that was called once for ten minutes", () => {
    const stage = new Stage(keepAlive);
    stage.device("a");
    stage.function("f");
    stage.call("f");
    stage.until(20 + unknownKeepAliveMs - 1);
    expect(stage.evictions).toEqual([]);
    stage.until(20 + unknownKeepAliveMs);
    expect(stage.evictions).toEqual(["f@a"]);
  });

  it("has a request wait for room until somebody's time is over", () => {
    const stage = new Stage(keepAliveWith((fn) => (fn === "f" ? 300 : 700)));
    stage.device("a");
    for (const id of ["f", "g", "late"]) stage.function(id, { weightBytes: 50 });
    stage.call("f");
    stage.call("g");
    stage.call("late");
    stage.until(319);
    expect(stage.runs).toEqual(["f@a", "g@a"]);
    stage.until(1_000);
    expect(stage.evictions[0]).toBe("f@a");
    // f's run ended at 20; its time at 320, from when on another comes in.
    expect(stage.runTimes).toEqual([10, 20, 330]);
  });
});

it("keep-alive ends on a device though somebody waits for the function who can run on another only", () => {
  const stage = new Stage(keepAliveWith(() => 100));
  for (const id of ["a", "b"]) stage.device(id);
  stage.function("large", { weightBytes: 100 });
  stage.function("small");
  // Each holds what the other one needs.
  stage.call("small", { device: "b" });
  stage.call("small", { device: "a" });
  stage.call("large", { device: "b" });
  stage.call("large", { device: "a" });
  stage.until(1_000);
  expect(stage.runs.toSorted()).toEqual(["large@a", "large@b", "small@a", "small@b"]);
});

describe("times between calls", () => {
  it("have the quantiles of the last 500, whatever came before", () => {
    const times = fc.array(fc.nat(50), { minLength: 2, maxLength: 1_200 });
    fc.assert(
      fc.property(times, fc.constantFrom(0.01, 0.5, 0.99, 1), (gaps, p) => {
        const interArrivals = new InterArrivals();
        let at = 0;
        interArrivals.arrived(at);
        for (const gap of gaps) {
          at += gap;
          interArrivals.arrived(at);
        }
        const sorted = gaps.slice(-500).sort((a, b) => a - b);
        const quantile = interArrivals.quantile(p)!;
        expect(sorted.filter((gap) => gap <= quantile).length).toBeGreaterThanOrEqual(p * sorted.length);
        expect(sorted.filter((gap) => gap < quantile).length).toBeLessThan(p * sorted.length);
      }),
    );
  });

  it("are unknown before the second call", () => {
    const interArrivals = new InterArrivals();
    expect(interArrivals.quantile(0.99)).toBeUndefined();
    interArrivals.arrived(5);
    expect(interArrivals.quantile(0.99)).toBeUndefined();
    interArrivals.arrived(12);
    expect(interArrivals.quantile(0.99)).toBe(7);
  });
});
