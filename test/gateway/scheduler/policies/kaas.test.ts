import { describe, expect, it } from "vitest";
import { kaasBalance } from "../../../../gateway/scheduler/policies/kaas-balance.ts";
import { kaasCfs, kaasCfsWith } from "../../../../gateway/scheduler/policies/kaas-cfs.ts";
import { kaasExclusive } from "../../../../gateway/scheduler/policies/kaas-exclusive.ts";
import { kaasStatic } from "../../../../gateway/scheduler/policies/kaas-static.ts";
import { Stage } from "./stage.ts";

describe("kaas-balance", () => {
  it("serves by arrival on whatever is free, though another device has the weights", () => {
    const stage = new Stage(kaasBalance);
    stage.device("a");
    stage.device("b");
    stage.function("f");
    stage.function("g");
    stage.call("f");
    stage.until(20);
    stage.call("f");
    stage.call("g");
    stage.call("f");
    stage.until(100);
    expect(stage.runs).toEqual(["f@a!", "f@b!", "g@a!", "f@b"]);
  });

  it("lets none wait behind a request whose device is busy", () => {
    const stage = new Stage(kaasBalance);
    stage.device("a");
    stage.device("b");
    stage.function("f");
    stage.call("f", { device: "a" });
    stage.call("f", { device: "a" });
    stage.call("f");
    expect(stage.runs).toEqual(["f@a!", "f@b!"]);
  });

  it("evicts what was used more than twice after all others, the least recently used first", () => {
    const afterUses = (uses: number): string[] => {
      const stage = new Stage(kaasBalance);
      stage.device("a", { budgetBytes: 20 });
      for (const id of ["f", "g", "new"]) stage.function(id);
      for (let i = 0; i < uses; i++) {
        stage.call("f");
        stage.until(stage.now + 20);
      }
      stage.call("g");
      stage.until(stage.now + 20);
      stage.call("new");
      return stage.evictions;
    };
    expect(afterUses(2)).toEqual(["f@a"]);
    expect(afterUses(3)).toEqual(["g@a"]);
  });
});

describe("kaas-cfs", () => {
  /** A device that holds f, which has much to do, and one request of g. */
  const contended = (stage: Stage): Stage => {
    stage.device("a");
    stage.function("f");
    stage.function("g");
    for (let i = 0; i < 30; i++) stage.call("f");
    stage.call("g");
    stage.until(1_000);
    return stage;
  };

  it("takes another group once the one whose weights are there is ten runs ahead", () => {
    const { runs } = contended(new Stage(kaasCfs));
    // g begins with f's virtual time, 1 after its first run, and counts as 11: f has that too, before its twelfth run.
    expect(runs.indexOf("g@a!")).toBe(12);
  });

  it("lets a group of twice the weight run half as often", () => {
    const stage = new Stage(kaasCfsWith((fn) => (fn.id === "f" ? 2 : 1)));
    stage.device("a", { budgetBytes: 1_000 });
    stage.function("f");
    stage.function("g");
    for (let i = 0; i < 100; i++) {
      stage.call("f");
      stage.call("g");
    }
    stage.until(1_000);
    const count = (fn: string) => stage.runs.filter((run) => run.startsWith(fn)).length;
    expect(count("g")).toBeGreaterThan(1.8 * count("f"));
    expect(count("g")).toBeLessThan(2.6 * count("f"));
  });

  it("has a group that was idle begin where the others have come to", () => {
    const stage = new Stage(kaasCfs);
    stage.device("a");
    for (const id of ["f", "g"]) stage.function(id);
    stage.call("g");
    stage.until(20);
    for (let i = 0; i < 50; i++) stage.call("f");
    stage.until(320);
    const before = stage.runs.length;
    for (let i = 0; i < 5; i++) stage.call("g");
    stage.until(380);
    // It had one run, f thirty: were it to keep its time, all five of g would come first.
    expect(stage.runs.slice(before, before + 4)).toEqual(["f@a", "g@a", "f@a", "g@a"]);
  });
});

describe("kaas-exclusive", () => {
  it("starts a worker on each unused device, then has them reused", () => {
    const stage = new Stage(kaasExclusive);
    stage.device("a");
    stage.device("b");
    stage.function("f");
    stage.function("g");
    stage.call("f");
    stage.call("g");
    stage.until(20);
    stage.call("g");
    stage.call("f");
    expect(stage.runs).toEqual(["f@a!", "g@b!", "g@b", "f@a"]);
  });

  it("kills a worker where there are more functions than devices, though there would be room for both", () => {
    const stage = new Stage(kaasExclusive);
    stage.device("a");
    stage.function("f", { coldStartMs: 500 });
    stage.function("g", { coldStartMs: 500 });
    stage.call("f");
    stage.call("g");
    stage.until(20);
    expect(stage.evictions).toEqual(["f@a"]);
    expect(stage.runs).toEqual(["f@a!", "g@a!"]);
    // 10 bytes at 1 byte a millisecond, and the process.
    expect([...stage.scheduler.cluster.runs.values()].map(({ endsAt }) => endsAt)).toEqual([
      20 + 500 + 10 + 10,
    ]);
  });

  it("takes a worker from the function that has most, but none for an equal number", () => {
    const stage = new Stage(kaasExclusive);
    for (const id of ["a", "b", "c"]) stage.device(id);
    stage.function("f");
    stage.function("g");
    stage.call("f");
    stage.call("f");
    stage.call("g");
    stage.until(20);
    // g has one worker, f two: a second for g would only turn that round.
    stage.call("g");
    stage.call("g");
    expect(stage.runs.slice(3)).toEqual(["g@c"]);
    stage.until(100);
    expect(stage.runs.slice(3)).toEqual(["g@c", "g@c"]);
    expect(stage.evictions).toEqual([]);
    // One that has none gets one.
    stage.function("h");
    stage.call("h");
    expect(stage.evictions).toEqual(["f@a"]);
  });
});

describe("kaas-static", () => {
  it("runs the functions of a device side by side, each on its part", () => {
    const stage = new Stage(kaasStatic);
    stage.device("a");
    stage.device("b");
    for (const id of ["f", "g", "h"]) stage.function(id);
    for (const id of ["f", "f", "g", "h"]) stage.call(id);
    expect(stage.runs).toEqual(["f@a!", "g@b!", "h@a!"]);
    const shares = stage.done.flatMap((one) => (one.type === "run" ? [one.share] : []));
    expect(shares).toEqual([0.5, 0.5, 0.5]);
    // On half of a device a run that would fill it takes twice as long.
    expect([...stage.scheduler.cluster.runs.values()].map(({ runMs }) => runMs)).toEqual([20, 20, 20]);
    stage.until(20);
    expect(stage.runs.slice(3)).toEqual(["f@a"]);
  });

  it("rejects what does not fit its part of the memory, and runs what just does", () => {
    const stage = new Stage(kaasStatic);
    stage.device("a", { budgetBytes: 100 });
    stage.function("large", { weightBytes: 51 });
    stage.function("small", { weightBytes: 50 });
    stage.call("large");
    stage.call("small");
    expect(stage.runs).toEqual(["small@a!"]);
    expect(stage.rejections).toEqual(["1: 'large' does not fit a part of 1/2 of its device"]);
  });

  it("makes parts smaller when functions are added", () => {
    const stage = new Stage(kaasStatic);
    stage.device("a", { budgetBytes: 100 });
    stage.function("f", { weightBytes: 60 });
    stage.call("f");
    stage.until(100);
    stage.function("g");
    stage.call("f");
    expect(stage.runs).toEqual(["f@a!"]);
    expect(stage.rejections).toEqual(["2: 'f' does not fit a part of 1/2 of its device"]);
  });
});
