import { describe, expect, it } from "vitest";
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { fastGshare } from "../../../../gateway/scheduler/policies/fast-gshare.ts";
import { fastTimeSharing } from "../../../../gateway/scheduler/policies/fast-time-sharing.ts";
import { windowMs } from "../../../../gateway/scheduler/policies/token-sharing.ts";
import { Stage } from "./stage.ts";

const quota = (request: number, limit: number) => ({ quota: { request, limit } });

/** Functions that are there already, and at the beginning of a window. */
function warm(policy: SchedulingPolicy, functions: Record<string, object>, runMs = 10): Stage {
  const stage = new Stage(policy);
  stage.device("a", { budgetBytes: 1_000 });
  for (const [id, spec] of Object.entries(functions)) {
    stage.function(id, spec, { runMs });
    stage.call(id);
  }
  stage.until(10 * windowMs);
  stage.done.length = 0;
  return stage;
}

function many(stage: Stage, fn: string, count: number): void {
  for (let i = 0; i < count; i++) stage.call(fn);
}

describe("fast-time", () => {
  it("gives the token to who has least of what it requests, and to one at a time", () => {
    const stage = warm(fastTimeSharing, { f: quota(0.2, 1), g: quota(0.6, 1) });
    many(stage, "f", 9);
    many(stage, "g", 9);
    stage.until(stage.now + windowMs - 1);
    // f began before g came. Then g is 60 ms short and f 10, until both have what they request; f had less in all.
    expect(stage.runs).toEqual([..."fgggggfgff"].map((fn) => `${fn}@a`));
    expect(stage.runTimes).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map((ms) => 10 * windowMs + ms));
  });

  it("stops a function at its limit until the next window, though the device is idle", () => {
    const stage = warm(fastTimeSharing, { f: quota(0, 0.3) });
    many(stage, "f", 8);
    stage.until(stage.now + 2.5 * windowMs);
    const begin = 10 * windowMs;
    expect(stage.runTimes.map((at) => at - begin)).toEqual([0, 10, 20, 100, 110, 120, 200, 210]);
  });

  it("takes what long runs had beyond the limit off the windows after", () => {
    const stage = warm(fastTimeSharing, { f: quota(0, 0.4) }, 200);
    many(stage, "f", 5);
    stage.until(stage.now + 25 * windowMs);
    const begin = stage.runTimes[0]!;
    // 200 ms of every 500: two fifths.
    expect(stage.runTimes.map((at) => at - begin)).toEqual([0, 500, 1_000, 1_500, 2_000]);
  });

  it("deals functions out as long as requested quotas add up to a device, and rejects the rest", () => {
    const stage = new Stage(fastTimeSharing);
    for (const id of ["a", "b"]) stage.device(id);
    for (const id of ["f", "g", "h", "i"]) stage.function(id, quota(0.5, 1));
    stage.function("more", quota(0.1, 1));
    stage.function("none", quota(0, 1));
    for (const id of ["f", "g", "h", "i", "more", "none"]) stage.call(id);
    stage.until(1_000);
    expect(stage.runs.slice(0, 4)).toEqual(["f@a", "g@b", "h@a", "i@b"]);
    expect(stage.rejections).toEqual(["5: no device has so much time and memory left as 'more' is to have"]);
    expect(stage.runs).toHaveLength(5);
  });
});

describe("fast-gshare", () => {
  const part = (occupancy: number) => ({ ...quota(0.4, 1), occupancy });

  it("has several hold a token as long as their parts fit the device", () => {
    const stage = warm(fastGshare, { f: part(0.5), g: part(0.3), h: part(0.3) });
    for (const id of ["f", "g", "h"]) stage.call(id);
    expect(stage.runs).toEqual(["f@a", "g@a"]);
    stage.until(stage.now + 10);
    expect(stage.runs).toEqual(["f@a", "g@a", "h@a"]);
    const other = warm(fastTimeSharing, { f: part(0.5), g: part(0.3) });
    for (const id of ["f", "g"]) other.call(id);
    expect(other.runs).toEqual(["f@a"]);
  });

  it("does not let small ones pass a large one that waits", () => {
    const stage = warm(fastGshare, { small: { occupancy: 0.2 }, large: part(1), other: { occupancy: 0.2 } });
    stage.call("small");
    stage.call("large");
    stage.call("other");
    expect(stage.runs).toEqual(["small@a"]);
    stage.until(stage.now + 100);
    expect(stage.runs).toEqual(["small@a", "large@a", "other@a"]);
  });

  it("packs the eight functions of its paper on one device, for which sharing in time takes four", () => {
    const devicesOf = (policy: SchedulingPolicy): number => {
      const stage = new Stage(policy);
      for (const id of ["a", "b", "c", "d", "e"]) stage.device(id);
      const pods = [
        ...Array(4).fill({ occupancy: 0.12, ...quota(0.4, 1) }),
        ...Array(2).fill({ occupancy: 0.24, ...quota(0.4, 1) }),
        ...Array(2).fill({ occupancy: 0.5, ...quota(0.6, 1) }),
      ];
      for (const [i, spec] of pods.entries()) {
        stage.function(`f${i}`, { weightBytes: 1, ...spec });
        stage.call(`f${i}`);
      }
      stage.until(1_000);
      return new Set(stage.runs.map((run) => run.split("@")[1])).size;
    };
    // 4 · 0.12 · 0.4 + 2 · 0.24 · 0.4 + 2 · 0.5 · 0.6 = 0.984
    expect(devicesOf(fastGshare)).toBe(1);
    expect(devicesOf(fastTimeSharing)).toBeGreaterThanOrEqual(4);
  });
});
