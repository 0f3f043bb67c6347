import { describe, expect, it } from "vitest";
import { CommandedCluster } from "./commands.ts";

const known = [{ class: "gpu", batch: 1, runMs: 20 }];

describe("a run on a share of a device", () => {
  it("takes as much longer as it could fill more", () => {
    const one = new CommandedCluster({ sharesSpace: true });
    const device = one.device("d", { class: "gpu" });
    one.function("full", { known });
    one.function("half", { known, occupancy: 0.5 });
    const runMs = (fn: string, share?: number) => one.cluster.run(device, [one.request(fn)], share).runMs;
    expect([runMs("full"), runMs("full", 0.5), runMs("full", 0.25)]).toEqual([20, 40, 80]);
    expect([runMs("half"), runMs("half", 0.5), runMs("half", 0.25)]).toEqual([20, 20, 40]);
    // Of the last one.
    expect(one.cluster.takeActions()).toMatchObject([{ type: "run", function: "half", share: 0.25 }]);
  });

  it("teaches nothing wrong of runs on the whole", () => {
    const one = new CommandedCluster({ sharesSpace: true });
    const device = one.device("d", { class: "gpu" });
    const fn = one.function("full", { known });
    const run = one.cluster.run(device, [one.request("full")], 0.25);
    one.send({ type: "ended", run: run.id, runMs: 100 });
    expect(device.runMs(fn, 1)).toBe(25);
  });

  it.each([0, -0.5, 1.01, Number.NaN])("is refused where the share is %d", (share) => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    expect(() => one.cluster.run(device, [one.request("f")], share)).toThrow(RangeError);
    expect(one.cluster.run(device, [one.request("f")], 1).share).toBe(1);
  });
});

describe("coming in", () => {
  const loadMs = (coldStart: "swap" | "process", measured?: number): number => {
    const one = new CommandedCluster({ coldStart });
    const device = one.device("d", { loadBytesPerMs: 2, loadFixedMs: 3 });
    const fn = one.function("f", { weightBytes: 10, coldStartMs: 100 });
    if (measured !== undefined) {
      one.cluster.load(device, fn);
      one.send({ type: "loaded", device: "d", function: "f", loadMs: measured });
    }
    return device.aloneLoadMs(fn);
  };

  it("takes as long as the bytes, and as a process where one is started", () => {
    expect(loadMs("swap")).toBe(3 + 10 / 2);
    expect(loadMs("process")).toBe(3 + 100 + 10 / 2);
  });

  it("is measured without what it takes to start", () => {
    expect(loadMs("swap", 3 + 10)).toBe(3 + 10);
    expect(loadMs("process", 3 + 100 + 10)).toBe(3 + 100 + 10);
  });
});
