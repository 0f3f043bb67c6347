import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DeviceSetListener } from "../../../gateway/devices/device-events.ts";
import type { DeviceSet } from "../../../gateway/devices/device-set.ts";
import type { Place } from "../../../gateway/scheduler/placement/place.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import type { DeviceTensor } from "../../../runtime/supervisor/device-tensor.ts";
import type { FakeDevice } from "./fake-device.ts";
import { fakeDevices, functionOn, program, settled } from "./fake-devices.ts";

const pinned = { ...defaultMemorySettings, pin: true };
const kib = 1024;
let links: readonly FakeDevice[];
let set: DeviceSet;
let target = 0;
/** The device that the test names. */
const toTarget: Place = () => target;

function open(count: number, options: Parameters<typeof fakeDevices>[1] = {}): void {
  ({ links, set } = fakeDevices(count, options));
}

beforeEach(() => {
  vi.useFakeTimers();
  target = 0;
  open(2, { place: toTarget });
});

afterEach(async () => {
  await set.stop();
  vi.useRealTimers();
});

/** What was told a device, emptied. */
const told = (device: number) => links[device]!.told.splice(0);

const tensor = (device: string, id: string, sizeBytes: number): DeviceTensor => ({
  ...{ device, id, sizeBytes },
  generation: 1,
});

describe("a run", () => {
  test("goes to the device that the policy names, which is told of all that may take it", async () => {
    const asked: unknown[] = [];
    open(3, {
      place: (request, devices) => {
        asked.push([request.program.id, devices.map(({ id, index, queued }) => [id, index, queued])]);
        return asked.length === 1 ? 2 : 1;
      },
    });
    const f = functionOn(set, "f");
    const runs = [f.run(program("a", 1), []), f.run(program("a", 1), [])];
    await settled();
    expect(asked).toEqual([
      [
        "a",
        [
          ["gpu0", 0, 0],
          ["gpu1", 1, 0],
          ["gpu2", 2, 0],
        ],
      ],
      [
        "a",
        [
          ["gpu0", 0, 0],
          ["gpu1", 1, 0],
          ["gpu2", 2, 1],
        ],
      ],
    ]);
    links[2]!.end("a");
    links[1]!.end("a");
    expect((await Promise.all(runs)).map(({ device }) => device)).toEqual(["gpu2", "gpu1"]);
    expect(set.devices.map(({ queued, queuedMs }) => [queued, queuedMs])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test("asks nobody where there is one device", async () => {
    open(1, {
      place: () => {
        throw new TypeError("Nobody is to be asked");
      },
    });
    const run = functionOn(set, "f").run(program("a", 1), []);
    links[0]!.end("a");
    expect((await run).device).toBe("gpu0");
  });

  test.each([2, -1, 0.5, Number.NaN])(
    "on device %s, which there is not, is a mistake of the policy",
    async (index) => {
      target = index;
      const run = functionOn(set, "f").run(program("a", 1), []);
      await expect(run).rejects.toThrow(RangeError);
      expect([...told(0), ...told(1)]).toEqual([]);
    },
  );

  test("by itself goes to the device with its weights that has the least to do, else to the idlest", async () => {
    open(2);
    const f = functionOn(set, "f");
    const [a, b] = [program("a", 1), program("b", 1)];
    const runs = [f.run(a, []), f.run(b, []), f.run(a, []), f.run(a, [])];
    await settled();
    expect(told(0)).toEqual(["run a", "run a", "run a"]);
    expect(told(1)).toEqual(["run b"]);
    for (let i = 0; i < 3; i++) links[0]!.end("a");
    links[1]!.end("b");
    await Promise.all(runs);
    // What has no weights is as near to each.
    const light = [1, 2].map(() => f.run(program("light", 0), []));
    await settled();
    expect(links.map(({ running }) => running.length)).toEqual([1, 1]);
    for (const link of links) link.end("light");
    await Promise.all(light);
  });

  test("goes elsewhere while a device is away, and that one is started again", async () => {
    open(2);
    const f = functionOn(set, "f");
    const a = program("a", 1);
    const first = f.run(a, []);
    links[0]!.end("a");
    await first;
    links[0]!.isUp = false;
    const describe = vi.fn(() => new Promise<never>(() => {}));
    links[0]!.describe = describe as never;
    const runs = [f.run(a, []), f.run(a, [])];
    await settled();
    expect(links[1]!.running).toHaveLength(2);
    // Once for all that come meanwhile.
    expect(describe).toHaveBeenCalledTimes(1);
    for (const _ of runs) links[1]!.end("a");
    await Promise.all(runs);
  });
});

describe("a device that cannot take a run", () => {
  test.each(["LIMIT_EXCEEDED", "INVALID_SHADER"] as const)(
    "for good (%s) is not asked again, and the function's status has the reason",
    async (code) => {
      const f = functionOn(set, "f");
      const a = program("a", 1);
      expect(f.misfits).toBeUndefined();
      for (const [i, device] of [0, 1].entries()) {
        const run = f.run(a, []);
        await settled();
        if (i === 0) links[0]!.end("a", new DawnletError(code, "too wide"));
        await settled();
        expect(links[device]!.told.filter((one) => one === "run a")).toHaveLength(1);
        links[1]!.end("a");
        expect((await run).device).toBe("gpu1");
        if (i === 0) links[1]!.told.length = 0;
      }
      expect(f.misfits).toEqual([{ device: "gpu0", reason: "too wide" }]);
      expect(f.misfits).toBe(f.misfits);
      await f.unload("a");
      expect(f.misfits).toBeUndefined();
    },
  );

  test.each(["OUT_OF_MEMORY", "QUEUE_FULL", "UNAVAILABLE", "NO_ADAPTER"] as const)(
    "for now (%s) is asked again the next time",
    async (code) => {
      const f = functionOn(set, "f");
      const a = program("a", 1);
      for (let round = 0; round < 2; round++) {
        const run = f.run(a, []);
        await settled();
        links[0]!.end("a", new DawnletError(code, "not now"));
        await settled();
        links[1]!.end("a");
        expect((await run).device).toBe("gpu1");
      }
      expect(f.misfits).toBeUndefined();
    },
  );

  test.each(["DEVICE_LOST", "TIME_LIMIT_EXCEEDED", "INVALID_ARGUMENT", "CORRUPT_DATA"] as const)(
    "because of the run (%s) is the only one that it harms",
    async (code) => {
      const run = functionOn(set, "f").run(program("a", 1), []);
      await settled();
      links[0]!.end("a", new DawnletError(code, "no"));
      await expect(run).rejects.toMatchObject({ code });
      expect(told(1)).toEqual([]);
    },
  );

  test("is of no use to a caller who has gone", async () => {
    const controller = new AbortController();
    const run = functionOn(set, "f").run(program("a", 1), [], controller.signal);
    await settled();
    controller.abort();
    links[0]!.end("a", new DawnletError("QUEUE_FULL", "not now"));
    await expect(run).rejects.toMatchObject({ code: "QUEUE_FULL" });
    expect(told(1)).toEqual([]);
  });

  test("is one of several: where none can, the call fails, each was asked once", async () => {
    const f = functionOn(set, "f");
    for (let round = 0; round < 2; round++) {
      const run = f.run(program("a", 1), []);
      for (const link of links) {
        await settled();
        link.end("a", new DawnletError("LIMIT_EXCEEDED", "too wide"));
      }
      await expect(run).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
      expect(links.map(({ running }) => running.length)).toEqual([0, 0]);
    }
    expect(f.misfits?.map(({ device }) => device)).toEqual(["gpu0", "gpu1"]);
  });
});

describe("tensors", () => {
  test("of one device take the run there, whatever the policy says", async () => {
    const run = functionOn(set, "f").run(program("a", 1), [tensor("gpu1", "t", 4), new Uint8Array(400)]);
    await settled();
    expect(told(1)).toEqual(["run a"]);
    links[1]!.end("a");
    await run;
  });

  test("of several go to where most of their bytes are, as bytes", async () => {
    const bytes = new Uint8Array([1, 2, 3, 4]);
    links[0]!.tensors.set("small", bytes);
    const seen = vi.spyOn(links[1]!, "run");
    const inputs = [tensor("gpu0", "small", 4), tensor("gpu1", "large", 40), tensor("gpu1", "other", 2)];
    const run = functionOn(set, "f").run(program("a", 1), inputs);
    await settled();
    expect(told(0)).toEqual(["read small"]);
    expect(seen.mock.calls[0]?.slice(1, 2)).toEqual([[bytes, inputs[1], inputs[2]]]);
    links[1]!.end("a");
    await run;
  });

  test("go elsewhere with a run that their device cannot take", async () => {
    links[0]!.tensors.set("t", new Uint8Array(4));
    const run = functionOn(set, "f").run(program("a", 1), [tensor("gpu0", "t", 4)]);
    await settled();
    links[0]!.end("a", new DawnletError("LIMIT_EXCEEDED", "too wide"));
    await settled();
    expect(told(0)).toEqual(["run a", "evict a", "read t"]);
    links[1]!.end("a");
    expect((await run).device).toBe("gpu1");
  });

  test("are read and released where they are", async () => {
    links[1]!.tensors.set("t", new Uint8Array([7]));
    expect(await set.readTensor(tensor("gpu1", "t", 1))).toEqual(new Uint8Array([7]));
    await set.releaseTensors([tensor("gpu0", "a", 1), tensor("gpu1", "b", 1), tensor("gpu0", "c", 1)]);
    expect([told(0), told(1)]).toEqual([["release a,c"], ["read t", "release b"]]);
    await expect(set.readTensor(tensor("gpu7", "t", 1))).rejects.toMatchObject({ code: "DEVICE_LOST" });
  });
});

describe("a pinned Program", () => {
  const isPinnedOn = () =>
    set.devices.map(({ managed }) => managed.residency.get("p")?.settings.isPinned === true);

  test("is pinned on one device, that with the most room", async () => {
    await functionOn(set, "first", pinned).load(program("first", 2));
    await functionOn(set, "p", pinned).load(program("p", 2));
    expect([told(0), told(1)]).toEqual([["load first"], ["load p"]]);
    expect(isPinnedOn()).toEqual([false, true]);
  });

  test("is not evicted there, and is elsewhere", async () => {
    const p = functionOn(set, "p", pinned);
    await p.load(program("p", 2));
    target = 1;
    const run = p.run(program("p", 2), []);
    await settled();
    links[1]!.end("p");
    await run;
    expect(set.evictFrom(1, "p")).toBe(true);
    expect(set.evictFrom(0, "p")).toBe(false);
  });

  test("goes to another device where its own has no room, and is pinned nowhere once that is over", async () => {
    const p = functionOn(set, "p", pinned);
    links[0]!.loadFailure = new DawnletError("OUT_OF_MEMORY", "no room");
    await p.load(program("p", 2));
    expect(isPinnedOn()).toEqual([false, true]);
    p.configure(defaultMemorySettings);
    expect(isPinnedOn()).toEqual([false, false]);
    expect(set.evictFrom(1, "p")).toBe(true);
  });
});

describe("commands of a scheduler", () => {
  test("bring a Program onto a device and have it leave, but not while it runs", async () => {
    const f = functionOn(set, "f");
    const a = program("a", 1);
    const run = f.run(a, []);
    await settled();
    await set.loadOn(1, "a");
    expect(told(1)).toEqual(["load a"]);
    expect(set.evictFrom(0, "a")).toBe(false);
    expect(set.evictFrom(1, "a")).toBe(true);
    expect(set.evictFrom(1, "a")).toBe(false);
    expect(told(1)).toEqual(["evict a"]);
    links[0]!.end("a");
    await run;
    expect(set.evictFrom(0, "a")).toBe(true);
    expect(set.devices[0]!.managed.evictions.counts).toEqual({ room: 0, expired: 0, commanded: 1 });
    await expect(set.loadOn(1, "nobody's")).rejects.toThrow(RangeError);
    await expect(async () => set.loadOn(5, "a")).rejects.toThrow(RangeError);
  });

  test("are answered by what happens on each device", async () => {
    const seen: unknown[] = [];
    const note =
      (what: string) =>
      (device: number, ...rest: unknown[]) =>
        void seen.push([what, device, ...rest]);
    const listener = {
      ...{ resident: note("resident"), evicted: note("evicted"), up: note("up"), down: note("down") },
      ...{ ran: note("ran"), loadMeasured: note("loadMeasured"), budget: note("budget") },
    } satisfies DeviceSetListener;
    open(2, { place: toTarget, listener });
    const f = functionOn(set, "f");
    const call = async (id: string, kibibytes: number, loadMs = 0) => {
      const run = f.run(program(id, kibibytes), []);
      await settled();
      links[target]!.end(id, undefined, loadMs);
      await run;
      return seen.splice(0);
    };
    const ran = (id: string, loadMs = 0) => [
      ...["ran", target, id],
      { loadMs, queueMs: 0, encodeMs: 0, executeMs: 1, gpuMs: 1 },
    ];
    target = 1;
    expect(await call("a", 4, 5)).toEqual([
      ["loadMeasured", 1, "a", 4 * kib, 5],
      ["resident", 1, "a"],
      ran("a", 5),
    ]);
    expect(await call("a", 4)).toEqual([ran("a")]);
    expect(await call("b", 4)).toEqual([["evicted", 1, "a", "room"], ["resident", 1, "b"], ran("b")]);
    // Weights may be there long before their run ends.
    set.evictFrom(1, "b");
    const runs = [f.run(program("a", 4), []), f.run(program("a", 4), [])];
    await settled();
    links[1]!.loaded("a", 7, 4 * kib);
    expect(seen.splice(0).slice(1)).toEqual([
      ["loadMeasured", 1, "a", 4 * kib, 7],
      ["resident", 1, "a"],
    ]);
    for (const _ of runs) links[1]!.end("a", undefined, 6);
    await Promise.all(runs);
    expect(seen.splice(0)).toEqual([ran("a", 6), ran("a", 6)]);
    await call("b", 4);
    set.evictFrom(1, "b");
    expect(seen.splice(0)).toEqual([["evicted", 1, "b", "commanded"]]);
    await call("b", 4);
    set.upChanged(1, false);
    set.devices[1]!.managed.restarted();
    set.upChanged(1, true);
    expect(seen.splice(0)).toEqual([
      ["down", 1],
      ["evicted", 1, "b", "lost"],
      ["up", 1],
    ]);
    await call("a", 1);
    await f.unload("a");
    expect(seen.splice(0)).toEqual([["evicted", 1, "a", "removed"]]);
    links[0]!.memoryInUse = { activationBytes: 4 * kib };
    target = 0;
    await call("c", 1);
    await vi.advanceTimersByTimeAsync(300);
    expect(seen.splice(0)).toEqual([["budget", 0, 3 * kib]]);
  });
});

test("a check at deploy fails where no device runs the Program, and names those that do not", async () => {
  const f = functionOn(set, "f");
  const failure = new DawnletError("LIMIT_EXCEEDED", "too wide");
  links[0]!.loadFailure = failure;
  await f.check(program("check", 0));
  expect(f.misfits).toEqual([{ device: "gpu0", reason: "too wide" }]);
  links[1]!.loadFailure = failure;
  await expect(f.check(program("check", 0))).rejects.toBe(failure);
  for (const link of links) link.loadFailure = undefined;
  await f.check(program("check", 0));
  expect(f.misfits).toBeUndefined();
  expect(set.devices.map(({ managed }) => [...managed.residency.residences].length)).toEqual([0, 0]);
});

test("what a listener hears is who is there, and nothing stays counted, whatever is called, ends, fails or is removed", async () => {
  const ids = ["a", "b", "c", "d"];
  const step = fc.oneof(
    fc.record({ type: fc.constant("run"), id: fc.constantFrom(...ids), device: fc.nat(1) }),
    fc.record({ type: fc.constant("end"), id: fc.constant(""), device: fc.nat(1) }),
    fc.record({ type: fc.constant("fail"), id: fc.constant(""), device: fc.nat(1) }),
    fc.record({ type: fc.constant("evict"), id: fc.constantFrom(...ids), device: fc.nat(1) }),
    fc.record({ type: fc.constant("lose"), id: fc.constant(""), device: fc.nat(1) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const there = [new Set<string>(), new Set<string>()] as const;
      open(2, {
        place: toTarget,
        listener: {
          resident: (device, id) => there[device]!.add(id),
          evicted: (device, id) => there[device]!.delete(id),
        },
      });
      const f = functionOn(set, "f");
      const runs: Promise<unknown>[] = [];
      const endOne = (device: number, error?: DawnletError) => {
        const [first] = links[device]!.running;
        if (first !== undefined) links[device]!.end(first.id, error);
      };
      for (const { type, id, device } of steps) {
        if (type === "run") {
          target = device;
          runs.push(f.run(program(id, 3), []).catch(() => undefined));
        } else if (type === "end") endOne(device);
        else if (type === "fail") endOne(device, new DawnletError("INVALID_ARGUMENT", "no"));
        else if (type === "evict") set.evictFrom(device, id);
        else set.devices[device]!.managed.restarted();
        await settled();
        for (const [index, { managed }] of set.devices.entries()) {
          const resident = [...managed.residency.residences].filter(({ state }) => state === "resident");
          expect([...there[index]!].sort()).toEqual(resident.map((one) => one.id).sort());
        }
      }
      while (links.some(({ running }) => running.length > 0)) {
        for (const device of [0, 1]) endOne(device);
        await settled();
      }
      await Promise.all(runs);
      for (const id of ids) await f.unload(id);
      expect(there.map(({ size }) => size)).toEqual([0, 0]);
      for (const { queued, queuedMs, usedBytes } of set.devices)
        expect({ queued, queuedMs, usedBytes }).toEqual({ queued: 0, queuedMs: 0, usedBytes: 0 });
      await set.stop();
    }),
    { numRuns: 60 },
  );
});
