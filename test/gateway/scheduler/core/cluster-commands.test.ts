import { describe, expect, it } from "vitest";
import { CommandedCluster } from "./commands.ts";

describe("Cluster.run()", () => {
  it("gives a waiting request to a device, which brings its weights in", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const fn = one.function("f");
    const run = one.cluster.run(device, [one.request("f", { deadline: 70 })]);
    expect(one.cluster.takeActions()).toEqual([
      { type: "run", run: run.id, device: "d", function: "f", requests: [1], isCold: true, due: 70 },
    ]);
    expect(device.residences.get(fn)).toMatchObject({ state: "loading", leases: 1, bytes: 10 });
    expect(device.usedBytes).toBe(10);
    const warm = one.cluster.run(device, [one.request("f")]);
    expect(warm).toMatchObject({ isCold: false });
    expect(device.usedBytes).toBe(10);
    expect(one.cluster.takeActions()).toMatchObject([{ isCold: false, due: undefined }]);
  });

  it("refuses a run of nothing", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    expect(() => one.cluster.run(device, [])).toThrow(new RangeError("A run is of one request or more"));
    expect(one.cluster.run(device, [one.request("f")]).id).toBe(1);
  });

  it("refuses a request that runs already, has ended, or was rejected", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const request = one.request("f");
    const run = one.cluster.run(device, [request]);
    expect(() => one.cluster.run(device, [request])).toThrow("Request 1 does not wait");
    one.send({ type: "ended", run: run.id, runMs: 1 });
    expect(() => one.cluster.run(device, [request])).toThrow("Request 1 does not wait");
    const rejected = one.request("f");
    one.cluster.reject(rejected, "late", "it is late");
    expect(() => one.cluster.run(device, [rejected])).toThrow("Request 2 does not wait");
    expect(one.cluster.run(device, [one.request("f")]).requests).toHaveLength(1);
  });

  it("refuses the same request twice in one run", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f", { batchLimit: 2 });
    const [a, b] = [one.request("f", { batchKey: "k" }), one.request("f", { batchKey: "k" })];
    expect(() => one.cluster.run(device, [a, a])).toThrow("A request is in the run twice");
    expect(one.cluster.run(device, [a, b]).rows).toBe(2);
  });

  it("refuses requests of two functions in one run", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    for (const id of ["f", "g"]) one.function(id, { batchLimit: 4 });
    const [f1, f2, g] = ["f", "f", "g"].map((fn) => one.request(fn, { batchKey: "k" }));
    expect(() => one.cluster.run(device, [f1!, g!])).toThrow("A run is of one function");
    expect(one.cluster.run(device, [f1!, f2!]).rows).toBe(2);
  });

  it("refuses a device other than the one that a request is bound to", () => {
    const one = new CommandedCluster();
    const [here, there] = [one.device("here"), one.device("there")];
    one.function("f");
    const request = one.request("f", { device: "here" });
    expect(() => one.cluster.run(there, [request])).toThrow("Request 1 is bound to another device");
    expect(one.cluster.run(here, [request]).device).toBe(here);
  });

  it("refuses a device on which the function cannot run", () => {
    const one = new CommandedCluster();
    const [old, recent] = [one.device("old", { class: "v100" }), one.device("recent")];
    one.function("f", { refusedBy: ["v100"] });
    const request = one.request("f");
    expect(() => one.cluster.run(old, [request])).toThrow("f cannot run on old");
    expect(one.cluster.run(recent, [request]).device).toBe(recent);
  });

  it("refuses to batch requests without a key, or with another", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f", { batchLimit: 4 });
    const [plain, a, b] = [undefined, "a", "b"].map((key) =>
      one.request("f", key === undefined ? {} : { batchKey: key }),
    );
    expect(() => one.cluster.run(device, [plain!, a!])).toThrow("Request 1 does not go with others");
    expect(() => one.cluster.run(device, [a!, plain!])).toThrow("Request 1 does not go with others");
    expect(() => one.cluster.run(device, [a!, b!])).toThrow("Request 3 does not go with others");
    expect(one.cluster.run(device, [plain!]).rows).toBe(1);
    expect(one.cluster.run(device, [a!, one.request("f", { batchKey: "a" })]).rows).toBe(2);
  });

  it("refuses more rows than may run as one, but not of a single request", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f", { batchLimit: 4 });
    const [two, three, other] = [2, 3, 2].map((rows) => one.request("f", { rows, batchKey: "k" }));
    expect(() => one.cluster.run(device, [two!, three!])).toThrow("5 rows are more than 4");
    expect(one.cluster.run(device, [two!, other!]).rows).toBe(4);
    expect(one.cluster.run(device, [one.request("f", { rows: 9 })]).rows).toBe(9);
  });

  it("refuses a device that is down, also where its weights are still leased", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    one.cluster.run(device, [one.request("f")]);
    one.send({ type: "device-down", device: "d" });
    const request = one.request("f");
    expect(() => one.cluster.run(device, [request])).toThrow("d is down");
    one.device("d");
    expect(one.cluster.run(device, [request]).isCold).toBe(false);
  });

  it("refuses weights for which there is no room, and changes nothing then", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { budgetBytes: 25 });
    for (const id of ["f", "g", "h"]) one.function(id);
    for (const id of ["f", "g"]) one.cluster.run(device, [one.request(id)]);
    const request = one.request("h");
    one.cluster.takeActions();
    expect(() => one.cluster.run(device, [request])).toThrow("There is no room for h on d");
    expect(one.cluster.takeActions()).toEqual([]);
    expect({ used: device.usedBytes, state: request.state, runs: device.runs.size }).toEqual({
      used: 20,
      state: "waiting",
      runs: 2,
    });
    one.send({ type: "budget", device: "d", bytes: 30 });
    expect(one.cluster.run(device, [request]).isCold).toBe(true);
  });

  it("runs what is there beyond a budget that was lowered, and brings nothing more in", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.device("with room");
    for (const id of ["f", "g"]) one.function(id);
    one.cluster.run(device, [one.request("f")]);
    one.send({ type: "budget", device: "d", bytes: 5 });
    expect(one.cluster.run(device, [one.request("f")]).isCold).toBe(false);
    expect(() => one.cluster.load(device, one.cluster.function("g"))).toThrow("no room");
    one.send({ type: "budget", device: "d", bytes: 20 });
    one.cluster.load(device, one.cluster.function("g"));
    expect(device.usedBytes).toBe(20);
  });
});

describe("Cluster.load()", () => {
  it("brings weights in, which nobody may evict until they are there", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const fn = one.function("f");
    one.cluster.load(device, fn);
    expect(one.cluster.takeActions()).toEqual([{ type: "load", device: "d", function: "f" }]);
    expect(() => one.cluster.evict(device, fn, "")).toThrow("f is in use on d");
    one.send({ type: "loaded", device: "d", function: "f" });
    one.cluster.evict(device, fn, "control");
    expect(device.usedBytes).toBe(0);
  });

  it("refuses weights that are there or on their way", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const [f, g] = [one.function("f"), one.function("g")];
    one.cluster.load(device, f);
    expect(() => one.cluster.load(device, f)).toThrow("f is on d already");
    one.send({ type: "loaded", device: "d", function: "f" });
    expect(() => one.cluster.load(device, f)).toThrow("f is on d already");
    one.cluster.load(device, g);
    expect(device.usedBytes).toBe(20);
  });

  it("refuses a device that is down, one without room, and one on which the function cannot run", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { budgetBytes: 10, class: "v100" });
    const [large, refused, fits] = [
      one.function("large", { weightBytes: 11 }),
      one.function("refused", { refusedBy: ["v100"] }),
      one.function("fits"),
    ];
    expect(() => one.cluster.load(device, large)).toThrow("There is no room for large on d");
    expect(() => one.cluster.load(device, refused)).toThrow("refused cannot run on d");
    one.send({ type: "device-down", device: "d" });
    expect(() => one.cluster.load(device, fits)).toThrow("d is down");
    one.device("d", { budgetBytes: 10 });
    one.cluster.load(device, fits);
    expect(device.freeBytes).toBe(0);
  });
});

describe("Cluster.evict()", () => {
  it("refuses weights that a run uses, and takes them after it", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const fn = one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    expect(() => one.cluster.evict(device, fn, "")).toThrow("f is in use on d");
    one.send({ type: "ended", run: run.id, runMs: 1 });
    one.cluster.evict(device, fn, "nobody asks for it");
    expect(one.cluster.takeActions()).toEqual([
      { type: "evict", device: "d", function: "f", reason: "nobody asks for it" },
    ]);
    expect({ used: device.usedBytes, loads: device.bus.loads, holders: fn.holders.size }).toEqual({
      used: 0,
      loads: 0,
      holders: 0,
    });
  });

  it("refuses pinned weights, until they are pinned no more", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const fn = one.function("f", { isPinned: true });
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "ended", run: run.id, runMs: 1 });
    expect(() => one.cluster.evict(device, fn, "")).toThrow("f is in use on d");
    one.function("f");
    one.cluster.evict(device, fn, "control");
    expect(device.residences.size).toBe(0);
  });

  it("refuses weights that are not there", () => {
    const one = new CommandedCluster();
    const [device, other] = [one.device("d"), one.device("other")];
    const fn = one.function("f");
    one.cluster.load(device, fn);
    one.send({ type: "loaded", device: "d", function: "f" });
    expect(() => one.cluster.evict(other, fn, "")).toThrow("f is not on other");
    one.cluster.evict(device, fn, "control");
    expect(() => one.cluster.evict(device, fn, "")).toThrow("f is not on d");
  });
});

describe("Cluster.reject()", () => {
  it("refuses a request that runs or has ended", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const [running, waiting] = [one.request("f"), one.request("f")];
    one.cluster.run(device, [running]);
    one.cluster.takeActions();
    expect(() => one.cluster.reject(running, "late", "")).toThrow("Request 1 does not wait");
    one.cluster.reject(waiting, "late", "it would be late");
    expect(() => one.cluster.reject(waiting, "late", "")).toThrow("Request 2 does not wait");
    expect(one.cluster.takeActions()).toEqual([
      { type: "reject", request: 2, cause: "late", reason: "it would be late" },
    ]);
    expect([...one.cluster.requests.keys()]).toEqual([1]);
  });
});

describe("Cluster.device() and function()", () => {
  it("find what there is, and throw for what there is not", () => {
    const one = new CommandedCluster();
    const [device, fn] = [one.device("d"), one.function("f")];
    expect(one.cluster.device("d")).toBe(device);
    expect(one.cluster.function("f")).toBe(fn);
    expect(() => one.cluster.device("f")).toThrow(new RangeError("There is no device f"));
    expect(() => one.cluster.function("d")).toThrow(new RangeError("There is no function d"));
  });
});

describe("Cluster.wake()", () => {
  it("asks for a tick", () => {
    const one = new CommandedCluster();
    one.cluster.wake(12.5);
    expect(one.cluster.takeActions()).toEqual([{ type: "wake", at: 12.5 }]);
    expect(one.cluster.takeActions()).toEqual([]);
  });
});
