import { describe, expect, it } from "vitest";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import { CommandedCluster } from "./commands.ts";

describe("device-down", () => {
  it("takes what nobody uses with it, loads ahead of requests among it", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.cluster.load(device, one.function("coming"));
    one.cluster.load(device, one.function("there"));
    one.send({ type: "loaded", device: "d", function: "there" });
    one.send({ type: "device-down", device: "d" });
    expect({ used: device.usedBytes, loads: device.loads, bus: device.bus.loads }).toEqual({
      used: 0,
      loads: 0,
      bus: 0,
    });
  });

  it("leaves what a run uses counted until that has failed", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "device-down", device: "d" });
    expect(device.usedBytes).toBe(10);
    one.send({ type: "failed", run: run.id, isRetried: true });
    expect(device.usedBytes).toBe(0);
    expect(one.heard.slice(-3)).toEqual(["down d", "ended 1", "returned 1"]);
  });

  it("leaves it counted until that has ended, where its answer was on its way already", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "loaded", device: "d", function: "f" });
    one.send({ type: "device-down", device: "d" });
    one.send({ type: "ended", run: run.id, runMs: 3 });
    one.device("d");
    expect(device.usedBytes).toBe(0);
  });

  it("ends a load ahead of requests that a run has joined: what then fails leaves nothing", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.cluster.load(device, one.function("f"));
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "device-down", device: "d" });
    one.send({ type: "failed", run: run.id, isRetried: false });
    expect({ used: device.usedBytes, loads: device.loads }).toEqual({ used: 0, loads: 0 });
  });
});

describe("device-up", () => {
  it("means that nothing is loaded, also where nobody noticed that it was down", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const fn = one.function("f");
    one.cluster.load(device, fn);
    one.send({ type: "loaded", device: "d", function: "f" });
    expect(device.holds(fn)).toBe(true);
    one.device("d");
    expect(device.holds(fn)).toBe(false);
  });

  it("keeps the device's place and what was measured there", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.device("e");
    const fn = one.function("f");
    one.cluster.load(device, fn);
    one.send({ type: "loaded", device: "d", function: "f", loadMs: 2 }, 2);
    one.send({ type: "device-down", device: "d" });
    expect(one.device("d", { budgetBytes: 50 })).toBe(device);
    expect(device).toMatchObject({ index: 0, budgetBytes: 50, isUp: true });
    expect(device.aloneLoadMs(fn)).toBe(2);
  });
});

describe("function-removed", () => {
  it("rejects what waits, lets what runs end, and drops the weights with the last run", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.request("f");
    one.cluster.takeActions();
    expect(one.send({ type: "function-removed", function: "f" })).toEqual([
      { type: "reject", request: 2, cause: "removed", reason: "'f' was removed" },
    ]);
    expect(one.heard.at(-1)).toBe("withdrawn 2");
    expect(device.usedBytes).toBe(10);
    one.send({ type: "ended", run: run.id, runMs: 1 });
    expect(device.usedBytes).toBe(0);
  });

  it("leaves weights that nobody uses until the device says that they have left", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.cluster.load(device, one.function("f"));
    one.send({ type: "loaded", device: "d", function: "f" });
    one.send({ type: "function-removed", function: "f" });
    expect(device.usedBytes).toBe(10);
    one.send({ type: "evicted", device: "d", function: "f" });
    expect(device.usedBytes).toBe(0);
  });

  it("ends what fails, though it was to be tried again", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "function-removed", function: "f" });
    one.send({ type: "failed", run: run.id, isRetried: true });
    expect(one.heard.at(-1)).toBe("ended 1");
    expect(one.cluster.requests.size).toBe(0);
  });
});

describe("arrival", () => {
  it("is rejected where there is no such function, and where no device can ever hold it", () => {
    const one = new CommandedCluster();
    one.device("d", { budgetBytes: 10 });
    one.function("large", { weightBytes: 11 });
    one.function("fits");
    const arrive = (id: number, fn: string) => one.send({ type: "arrival", request: { id, function: fn } });
    expect(arrive(1, "none")).toMatchObject([{ type: "reject", request: 1, cause: "unknown" }]);
    expect(arrive(2, "large")).toMatchObject([{ type: "reject", request: 2, cause: "too-large" }]);
    expect(arrive(3, "fits")).toEqual([]);
    expect(one.heard.filter((what) => what.startsWith("arrived"))).toEqual(["arrived 3"]);
  });

  it("is taken where the only device that can hold it is down", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.function("f");
    one.send({ type: "device-down", device: "d" });
    expect(one.request("f").state).toBe("waiting");
  });

  it("is refused with a number that is not above all before it", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.function("f");
    const arrive = (id: number) => one.send({ type: "arrival", request: { id, function: "f" } });
    arrive(4);
    expect(() => arrive(4)).toThrow(new RangeError("Request 4 comes after request 4"));
    expect(() => arrive(3)).toThrow(new RangeError("Request 3 comes after request 4"));
    arrive(5);
    expect([...one.cluster.requests.keys()]).toEqual([4, 5]);
  });

  it("has the deadline that it states, else its function's, else none", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.function("f", { deadlineMs: 30 });
    one.function("g");
    one.send({ type: "tick" }, 100);
    const deadlines = [one.request("f", { deadline: 7 }), one.request("f"), one.request("g")].map(
      ({ deadline }) => deadline,
    );
    expect(deadlines).toEqual([7, 130, undefined]);
  });
});

describe("what can run nowhere any more", () => {
  it("is rejected when the budget falls below its weights, if no other device has more", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.device("small", { budgetBytes: 20 });
    for (const [id, weightBytes] of [
      ["f", 10],
      ["g", 21],
    ] as const)
      one.function(id, { weightBytes });
    for (const id of ["f", "g"]) one.request(id);
    expect(one.send({ type: "budget", device: "d", bytes: 21 })).toEqual([]);
    expect(one.send({ type: "budget", device: "d", bytes: 20 })).toMatchObject([
      { type: "reject", request: 2, cause: "too-large" },
    ]);
    expect(one.heard.at(-1)).toBe("withdrawn 2");
  });

  it("is rejected when its function has grown, or is refused by the class of the only device", () => {
    const one = new CommandedCluster();
    one.device("d");
    for (const id of ["f", "g"]) {
      one.function(id);
      one.request(id);
    }
    const change = (id: string, weightBytes: number, refusedBy: readonly string[]) =>
      one.send({ type: "function", function: { id, tenant: "acme", weightBytes, refusedBy } });
    expect(change("f", 100, ["v100"])).toEqual([]);
    expect(change("f", 101, [])).toMatchObject([{ type: "reject", request: 1, cause: "too-large" }]);
    expect(change("g", 10, ["h200"])).toMatchObject([{ type: "reject", request: 2, cause: "too-large" }]);
  });

  const pinnedOut = [
    {
      ...{ type: "reject", request: 1, cause: "too-large" },
      reason: "pinned functions leave no room for the weights of 'f'",
    },
  ];
  const arrival = (id: number) =>
    ({ type: "arrival", request: { id, function: "f" } }) as const satisfies SchedulerEvent;

  /** A device of 100 bytes, of which `pinned` has 60 where it is there; `f` needs 50. */
  function withPin() {
    const one = new CommandedCluster();
    const device = one.device("d");
    const pinned = one.function("pinned", { weightBytes: 60, isPinned: true });
    one.function("f", { weightBytes: 50 });
    return { one, device, pinned, come: () => one.cluster.resident(device, "pinned") };
  }

  it("is rejected at once where what is pinned leaves no room, and waits where that is not pinned any more or has left", () => {
    const { one, come } = withPin();
    come();
    expect(one.send(arrival(1))).toEqual(pinnedOut);
    one.function("pinned", { weightBytes: 60 });
    expect(one.send(arrival(2))).toEqual([]);
    one.function("pinned", { weightBytes: 60, isPinned: true });
    expect(one.heard.at(-1)).toBe("withdrawn 2");
    one.send({ type: "function-removed", function: "pinned" });
    expect(one.send(arrival(3))).toEqual([]);
  });

  it("is rejected when what is pinned comes in while it waits, unless another device has room", () => {
    for (const devices of [1, 2]) {
      const { one } = withPin();
      if (devices === 2) one.device("e");
      expect(one.send(arrival(1))).toEqual([]);
      const actions = one.send({ type: "resident", device: "d", function: "pinned" });
      expect(actions).toEqual(devices === 1 ? pinnedOut : []);
    }
  });

  it("is rejected when it leaves a device on which what is pinned would leave it no room", () => {
    const { one, device } = withPin();
    one.function("f", { weightBytes: 40 });
    for (const id of ["pinned", "f"]) one.send({ type: "resident", device: "d", function: id });
    one.send({ type: "budget", device: "d", bytes: 90 });
    expect(one.send(arrival(1))).toEqual([]);
    expect(device.pinnedBytes).toBe(60);
    expect(one.send({ type: "evicted", device: "d", function: "f" })).toEqual([
      { ...pinnedOut[0], request: 1 },
    ]);
  });

  it("waits for a device that is down, whatever was pinned there", () => {
    const { one, come } = withPin();
    come();
    one.send({ type: "device-down", device: "d" });
    expect(one.send(arrival(1))).toEqual([]);
    one.device("d");
    expect(one.send({ type: "resident", device: "d", function: "pinned" })).toEqual(pinnedOut);
  });

  it("is rejected when its run has failed and it would wait again", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.cluster.takeActions();
    one.send({ type: "budget", device: "d", bytes: 9 });
    expect(one.send({ type: "failed", run: run.id, isRetried: true })).toMatchObject([
      { type: "reject", request: 1, cause: "too-large" },
    ]);
    expect(one.heard.at(-1)).toBe("ended 1");
  });
});

describe("ended and failed", () => {
  it("are refused for a run that has ended, and change nothing then", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "ended", run: run.id, runMs: 3 });
    expect(() => one.send({ type: "ended", run: run.id, runMs: 3 })).toThrow("There is no run 1");
    expect(() => one.send({ type: "failed", run: run.id, isRetried: true })).toThrow("There is no run 1");
    expect(device).toMatchObject({ busyMs: 3, usedBytes: 10 });
  });

  it("drop weights that never came in where the run failed, and keep those that did", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    for (const id of ["f", "g"]) one.function(id);
    const [f, g] = ["f", "g"].map((id) => one.cluster.run(device, [one.request(id)]));
    one.send({ type: "loaded", device: "d", function: "f" });
    for (const run of [f!, g!]) one.send({ type: "failed", run: run.id, isRetried: false });
    expect([...device.residences.values()].map(({ id }) => id)).toEqual(["f"]);
    expect(device.bus.loads).toBe(0);
  });
});

describe("cancelled", () => {
  it("ends what waits, and leaves what runs, has ended or never was", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.request("f");
    for (const request of [1, 2, 2, 99]) one.send({ type: "cancelled", request });
    expect(one.heard.filter((what) => what.startsWith("withdrawn"))).toEqual(["withdrawn 2"]);
    expect([...one.cluster.requests.keys()]).toEqual([1]);
    one.send({ type: "ended", run: run.id, runMs: 1 });
    expect(one.cluster.function("f")).toMatchObject({ waiting: 0, running: 0, uses: 2 });
  });
});

describe("loaded, load-failed and evicted", () => {
  it("are not heard of weights that have left meanwhile", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.function("f");
    const before = one.heard.length;
    for (const type of ["loaded", "load-failed", "evicted"] as const)
      one.send({ type, device: "d", function: "f" });
    expect(one.heard.slice(before)).toEqual([]);
  });

  it("drop what nobody uses, and only that", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    const [f, g] = [one.function("f"), one.function("g")];
    one.cluster.run(device, [one.request("f")]);
    one.cluster.load(device, g);
    for (const id of ["f", "g"]) one.send({ type: "load-failed", device: "d", function: id });
    expect([device.holds(f), device.holds(g)]).toEqual([true, false]);
    one.send({ type: "evicted", device: "d", function: "f" });
    expect(device.holds(f)).toBe(true);
  });
});

describe("wanted", () => {
  it("brings weights in ahead of requests, once", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.function("f");
    const want = () => one.send({ type: "wanted", device: "d", function: "f" });
    expect(want()).toEqual([{ type: "load", device: "d", function: "f" }]);
    expect(want()).toEqual([]);
    one.send({ type: "loaded", device: "d", function: "f" });
    expect(want()).toEqual([]);
  });

  it("displaces nobody", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { budgetBytes: 19 });
    one.cluster.load(device, one.function("there"));
    one.send({ type: "loaded", device: "d", function: "there" });
    one.function("f");
    expect(one.send({ type: "wanted", device: "d", function: "f" })).toEqual([]);
    one.send({ type: "budget", device: "d", bytes: 20 });
    expect(one.send({ type: "wanted", device: "d", function: "f" })).toHaveLength(1);
  });

  it("does nothing on a device that is down or cannot run it, nor for a function that was removed", () => {
    const one = new CommandedCluster();
    one.device("d");
    one.device("old", { class: "v100" });
    one.device("down");
    one.send({ type: "device-down", device: "down" });
    one.function("f", { refusedBy: ["v100"] });
    for (const device of ["old", "down"])
      expect(one.send({ type: "wanted", device, function: "f" })).toEqual([]);
    expect(one.send({ type: "wanted", device: "d", function: "gone" })).toEqual([]);
    expect(one.send({ type: "wanted", device: "d", function: "f" })).toHaveLength(1);
  });
});

describe("unwanted", () => {
  const unwanted = { type: "unwanted", device: "d", function: "f", reason: "not called" } as const;

  it("has weights leave that nobody uses, and the policy hears of it", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    one.send({ type: "wanted", device: "d", function: "f" });
    expect(one.send(unwanted)).toEqual([]);
    one.send({ type: "loaded", device: "d", function: "f" });
    expect(one.send(unwanted)).toEqual([{ type: "evict", device: "d", function: "f", reason: "not called" }]);
    expect(one.heard.at(-1)).toBe("evicted f on d");
    expect(device.usedBytes).toBe(0);
    expect(one.send(unwanted)).toEqual([]);
  });

  it("leaves what runs, is waited for or is pinned", () => {
    const one = new CommandedCluster();
    const device = one.device("d");
    one.function("f");
    const run = one.cluster.run(device, [one.request("f")]);
    one.send({ type: "loaded", device: "d", function: "f" });
    expect(one.send(unwanted)).toEqual([]);
    const waiting = one.request("f");
    one.send({ type: "ended", run: run.id, runMs: 1 });
    expect(one.send(unwanted)).toEqual([]);
    one.send({ type: "cancelled", request: waiting.id });
    one.function("f", { isPinned: true });
    expect(one.send(unwanted)).toEqual([]);
    one.function("f");
    expect(one.send(unwanted)).toHaveLength(1);
  });
});
