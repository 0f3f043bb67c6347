import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { program } from "../devices/fake-devices.ts";
import { intervalMs, ScaledGateway } from "./scaled-gateway.ts";

const minute = 60_000 / intervalMs;
let one: ScaledGateway;

afterEach(() => one.autoscaler.close());

describe("a function that is called more", () => {
  beforeEach(() => {
    one = new ScaledGateway(3);
  });

  test("than one device takes is on a second before its calls ask for that", async () => {
    const f = one.deploy("f");
    // A hundred a second take ten times what there is.
    await one.call(f, program("a", 1), 60, 200);
    one.told();
    await one.pass(1);
    expect(one.told()).toEqual([[], ["load a"], []]);
    expect(one.there).toEqual([["a"], ["a"], []]);
    const { functions, devices } = one.autoscaler.report();
    expect(functions).toMatchObject([{ function: "f", callsPerSecond: 6, tier: "device", replicas: 2 }]);
    expect(devices.map(({ replicas }) => replicas.map(({ quota, isThere }) => ({ quota, isThere })))).toEqual(
      [[{ quota: 1, isThere: true }], [{ quota: expect.any(Number), isThere: true }], []],
    );
    expect(one.autoscaler.counts).toEqual({ add: 2, resize: 0, remove: 0, dropHost: 0 });
  });

  test("is on it no more some minutes after that has ended, and stays on the first", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1), 60, 200);
    for (let i = 0; i < 8 * minute; i++) {
      await one.pass(1);
      await one.call(f, program("a", 1));
    }
    expect(one.there).toEqual([["a"], [], []]);
    expect(one.autoscaler.counts.remove).toBe(1);
  });

  test("than all devices take is short of some, which is told", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1), 200, 200);
    await one.pass(1);
    expect(one.there).toEqual([["a"], ["a"], ["a"]]);
    expect(one.autoscaler.report().functions[0]!.missingCallsPerSecond).toBeCloseTo(5);
  });

  test("displaces nobody: it comes once there is room", async () => {
    const [f, g] = [one.deploy("f"), one.deploy("g")];
    for (const [i, id] of ["x", "y", "z"].entries()) {
      one.set.own(g.owner, program(id, 6));
      await one.set.loadOn(i, id);
    }
    expect(one.there).toEqual([["x"], ["y"], ["z"]]);
    await one.call(f, program("a", 2), 60, 200);
    // A call may displace, a forecast may not.
    expect(one.there.flat()).toContain("a");
    const before = one.there.flat().length;
    one.told();
    await one.pass(1);
    expect(one.told()).toEqual([[], [], []]);
    expect(one.there.flat()).toHaveLength(before);
    for (const id of ["x", "y", "z"]) await one.set.release(g.owner, id);
    await one.pass(1);
    expect(one.there.flat()).toEqual(["a", "a"]);
  });
});

describe("a function that nobody calls", () => {
  beforeEach(() => {
    one = new ScaledGateway(1);
  });

  test("leaves the device after ten minutes and host memory hours later, and is there again for its next call", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1));
    one.told();
    await one.pass(10 * minute - 1);
    expect(one.told()).toEqual([[]]);
    await one.pass(1);
    expect(one.told()).toEqual([["evict a"]]);
    const { evictions } = one.set.devices[0]!.managed;
    expect(evictions.last[0]!.reason).toBe("nobody has called it for 10 min");
    await one.pass(229 * minute);
    expect(one.told()).toEqual([[]]);
    expect(one.autoscaler.report().functions).toMatchObject([{ tier: "host", replicas: 0 }]);
    await one.pass(minute);
    expect(one.told()).toEqual([["drop w-a"]]);
    await one.pass(minute);
    expect(one.told()).toEqual([[]]);
    await one.call(f, program("a", 1));
    await one.pass(1);
    expect(one.told()).toEqual([["run a"]]);
    expect(one.there).toEqual([["a"]]);
    // Another time it is dropped again.
    await one.pass(240 * minute);
    expect(one.told()).toEqual([["evict a", "drop w-a"]]);
    expect(one.autoscaler.counts).toMatchObject({ add: 2, remove: 2, dropHost: 2 });
  });

  test("leaves the device also where its calls, and not the autoscaler, have brought it", async () => {
    const f = one.deploy("f", { keepAliveMs: 0 });
    await one.call(f, program("a", 1));
    await one.pass(1);
    expect(one.there).toEqual([[]]);
    expect(one.autoscaler.counts.add).toBe(0);
  });

  test("stays for as long as its owner has said", async () => {
    const f = one.deploy("f", { keepAliveMs: 30 * 60_000 });
    await one.call(f, program("a", 1));
    await one.pass(29 * minute);
    expect(one.there).toEqual([["a"]]);
    await one.pass(minute);
    expect(one.there).toEqual([[]]);
  });

  test("stays while a call runs, however long that takes", async () => {
    const f = one.deploy("f");
    const prepared = { inputs: [], keep: undefined, outputs: [], wanted: undefined, batch: undefined };
    const answer = f.submit({ type: "program", program: program("a", 1), ...prepared }, {});
    await one.pass(20 * minute);
    expect(one.there).toEqual([["a"]]);
    one.links[0]!.end("a");
    await answer;
    await one.pass(9 * minute);
    expect(one.there).toEqual([["a"]]);
  });

  test("stays while something runs that no call has asked for, as a profile does", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1));
    const run = f.runOn(0, program("a", 1), []);
    await one.pass(11 * minute);
    expect(one.there).toEqual([["a"]]);
    one.links[0]!.end("a");
    await run;
    await one.pass(1);
    expect(one.there).toEqual([[]]);
    expect(one.dispatcher.cluster.devices[0]!.usedBytes).toBe(0);
  });

  test("stays where it is pinned", async () => {
    const f = one.deploy("f", { pin: true });
    await f.load(program("a", 1));
    await one.call(f, program("a", 1));
    await one.pass(300 * minute);
    expect(one.there).toEqual([["a"]]);
    expect(one.replicas).toEqual({ gpu0: ["f"] });
    expect(one.told()[0]).not.toContain("drop w-a");
  });

  test("is brought nowhere for that it was deployed", async () => {
    const f = one.deploy("f");
    await f.load(program("a", 1));
    one.set.evictFrom(0, "a");
    one.told();
    await one.pass(minute);
    expect(one.told()).toEqual([[]]);
    expect(one.autoscaler.report().functions).toMatchObject([{ tier: "host", callsPerSecond: 0 }]);
  });

  test("leaves what others have of the same bytes", async () => {
    const [f, g] = [one.deploy("f"), one.deploy("g")];
    await one.call(f, program("a", 1));
    for (let i = 0; i < 300 * minute; i++) {
      if (i % minute === 0) await one.call(g, program("a", 1));
      await one.pass(1);
    }
    expect(one.there).toEqual([["a"]]);
    const told = one.told()[0]!;
    expect(told).not.toContain("evict a");
    expect(told).not.toContain("drop w-a");
  });

  test("is dropped from host memory at the next tick, where the device has refused", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1));
    await one.pass(239 * minute);
    one.told();
    const drop = vi
      .spyOn(one.links[0]!, "dropHost")
      .mockRejectedValueOnce(new DawnletError("INTERNAL", "no"));
    await one.pass(minute + 1);
    expect(drop).toHaveBeenCalledTimes(2);
    expect(one.told()).toEqual([["drop w-a"]]);
  });
});

describe("what a function can do with a part of a device", () => {
  const point = { share: 0.5, batch: 1, p50Ms: 5, p98Ms: 6 };

  test("its profile says, where there is one", async () => {
    one = new ScaledGateway(2);
    const f = one.deploy("f");
    f.owner.configurations = new Map([["fake", [{ ...point, quota: 0.4, throughput: 4 }]]]);
    await one.call(f, program("a", 1), 60, 1);
    await one.pass(1);
    // By its runs alone, a hundredth of one device would do.
    const { devices, functions } = one.autoscaler.report();
    expect(devices.map(({ replicas }) => replicas)).toMatchObject([
      [{ quota: 0.4, share: 0.5 }],
      [{ quota: 0.4, share: 0.5 }],
    ]);
    expect(functions[0]!.missingCallsPerSecond).toBeUndefined();
  });

  test("is nothing on devices that cannot run it, or where nothing is known of it yet", async () => {
    one = new ScaledGateway(2);
    const f = one.deploy("f");
    await one.call(f, program("a", 1));
    const { owner, programs } = f;
    const misfits = [{ device: "gpu1", reason: "too many bindings" }];
    one.autoscaler.start({
      ...{ devices: one.set, replicas: one.dispatcher.replicas },
      versions: () => [{ owner, programs, misfits }],
    });
    await one.pass(1);
    expect(one.replicas).toEqual({ gpu0: [], gpu1: [] });
    expect(one.autoscaler.report().functions[0]!.missingCallsPerSecond).toBe(0.1);
  });
});

test("a function that is called at regular times is away between them, and back before each", async () => {
  one = new ScaledGateway(1);
  const f = one.deploy("f");
  const seen: string[] = [];
  for (let call = 0; call < 12; call++) {
    await one.call(f, program("a", 1));
    await one.pass(10 * minute);
    seen.push(one.there[0]!.length > 0 ? "there" : "away");
    await one.pass(10 * minute);
    seen.push(one.there[0]!.length > 0 ? "there" : "away");
  }
  // Ten minutes after a call it is away; right before the next it is there, once its times are known.
  expect(seen.filter((_, i) => i % 2 === 0).every((where) => where === "away")).toBe(true);
  expect(seen.filter((_, i) => i % 2 === 1).slice(6)).toEqual(new Array(6).fill("there"));
});

describe("devices and functions that change between ticks", () => {
  beforeEach(() => {
    one = new ScaledGateway(2);
  });

  test("a device that was away gets back what it is to hold", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1), 60, 200);
    await one.pass(1);
    expect(one.there).toEqual([["a"], ["a"]]);
    const [, second] = one.set.devices;
    one.links[1]!.isUp = false;
    one.set.upChanged(1, false);
    second!.managed.restarted();
    await one.pass(1);
    expect(one.replicas).toEqual({ gpu0: ["f"] });
    one.links[1]!.isUp = true;
    one.set.upChanged(1, true);
    one.told();
    await one.pass(1);
    expect(one.told()).toEqual([[], ["load a"]]);
  });

  test("what others displaced comes back where there is room", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1), 60, 200);
    await one.pass(1);
    one.set.evictFrom(1, "a");
    await one.pass(1);
    expect(one.there).toEqual([["a"], ["a"]]);
  });

  test("a function that is removed is nowhere, and another of its name begins anew", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 1), 60, 200);
    await one.pass(1);
    await one.remove(f);
    const again = one.deploy("f");
    await one.pass(1);
    expect(one.autoscaler.report().functions).toEqual([]);
    expect(one.replicas).toEqual({ gpu0: [], gpu1: [] });
    expect(one.there).toEqual([[], []]);
    await one.call(again, program("b", 1));
    await one.pass(1);
    expect(one.autoscaler.report().functions).toMatchObject([{ callsPerSecond: 0.1, replicas: 1 }]);
  });

  test("a device that holds less keeps what fits, and its books with it", async () => {
    const f = one.deploy("f");
    await one.call(f, program("a", 6), 60, 200);
    await one.pass(1);
    const { managed } = one.set.devices[1]!;
    managed.residency.setBudget(1024, one.now);
    one.dispatcher.budget(1, 1024);
    await one.pass(1);
    expect(one.replicas.gpu1).toEqual([]);
    expect(one.autoscaler.report().functions[0]!.missingCallsPerSecond).toBeGreaterThan(0);
  });
});

describe("its timer", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test("ticks every interval, goes on after a failure, and ends with it", () => {
    one = new ScaledGateway(1);
    const tick = vi.spyOn(one.autoscaler, "tick");
    vi.advanceTimersByTime(2 * intervalMs);
    expect(tick).toHaveBeenCalledTimes(2);
    tick.mockImplementationOnce(() => {
      throw new RangeError("no");
    });
    vi.advanceTimersByTime(2 * intervalMs);
    expect(tick).toHaveBeenCalledTimes(4);
    one.autoscaler.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
