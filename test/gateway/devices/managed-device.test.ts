import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DeviceSet } from "../../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { ManagedDevice } from "../../../gateway/devices/managed-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import { FakeDevice } from "./fake-device.ts";

const kib = 1024;
let device: FakeDevice;
let set: DeviceSet;
let managed: ManagedDevice;

beforeEach(() => {
  vi.useFakeTimers();
  device = new FakeDevice();
  // Room for 7 KiB of weights.
  const devices = [{ link: device, kind: "gpu", deviceBytes: 8 * kib }] as const;
  set = new DeviceSet({ devices, policy: evictionPolicies.lru });
  managed = set.devices[0]!.managed;
});

afterEach(async () => {
  await managed.stop();
  vi.useRealTimers();
});

const owned = (name: string, settings = defaultMemorySettings) =>
  new FunctionDevice(set, { name, version: 1, settings });

function program(id: string, kibibytes: number): OwnedProgram {
  const weights = [{ digest: `w-${id}`, sizeBytes: kibibytes * kib }];
  const readJson = async () => new Uint8Array();
  return { id, weights, isDivisible: false, options: { writesBeforeReads: true }, readJson };
}

/** A call from its beginning to its end. */
async function call(on: FunctionDevice, one: OwnedProgram): Promise<void> {
  const run = on.run(one, []);
  await vi.advanceTimersByTimeAsync(1);
  device.end(one.id);
  await run;
}

describe("runs", () => {
  test("evictions leave in the turn of the run that they make room for, before it", async () => {
    const f = owned("f");
    await call(f, program("a", 4));
    await call(f, program("b", 3));
    const before = device.told.length;
    const run = f.run(program("c", 4), []);
    expect(device.told.slice(before)).toEqual(["evict a", "run c"]);
    device.end("c");
    await run;
  });

  test("one that waits leaves right behind the eviction, and tells how long it waited", async () => {
    const f = owned("f");
    const first = f.run(program("a", 7), []);
    const second = f.run(program("b", 7), []);
    await vi.advanceTimersByTimeAsync(40);
    expect(device.told).toEqual(["run a"]);
    device.end("a");
    await first;
    await vi.advanceTimersByTimeAsync(0);
    expect(device.told).toEqual(["run a", "evict a", "run b"]);
    device.end("b");
    expect(await second).toMatchObject({ waitMs: 40 });
  });

  test("one that is aborted while it waits ends, and those behind it move up", async () => {
    const f = owned("f");
    const first = f.run(program("a", 7), []);
    const controller = new AbortController();
    const second = f.run(program("b", 7), [], controller.signal);
    const third = f.run(program("a", 7), []);
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: "CANCELLED" });
    await vi.advanceTimersByTimeAsync(0);
    expect(device.told).toEqual(["run a", "run a"]);
    device.end("a");
    device.end("a");
    await Promise.all([first, third]);
  });

  test("where the device has no room after all, others go until it has, or there are none", async () => {
    const f = owned("f");
    for (const id of ["a", "b"]) await call(f, program(id, 2));
    const run = f.run(program("c", 2), []);
    device.endShort("c", 100);
    await vi.advanceTimersByTimeAsync(0);
    expect(device.told.slice(2)).toEqual(["run c", "evict c", "evict a", "run c"]);
    device.endShort("c", 100);
    await vi.advanceTimersByTimeAsync(0);
    expect(device.told.slice(6)).toEqual(["evict c", "evict b", "run c"]);
    const refused = expect(run).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    device.endShort("c", 100);
    await refused;
    expect(managed.residency.usedBytes).toBe(0);
  });

  test("where what is free is in pieces, more goes each time, at last all that is not pinned", async () => {
    const [f, pinned] = [owned("f"), owned("pinned", { ...defaultMemorySettings, pin: true })];
    await call(pinned, program("p", 1));
    for (const id of ["a", "b", "c", "d", "e"]) await call(f, program(id, 1));
    const refused = expect(f.run(program("x", 1), [])).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    const steps: number[] = [];
    for (let attempt = 1; attempt < 6; attempt++) {
      const before = device.told.length;
      // By the device's count a byte would do.
      device.endShort("x", 1);
      await vi.advanceTimersByTimeAsync(0);
      steps.push(device.told.slice(before).filter((line) => /^evict [a-e]/.test(line)).length);
      if (device.running.length === 0) break;
    }
    expect(steps).toEqual([1, 1, 2, 1, 0]);
    await refused;
    expect(device.told).not.toContain("evict p");
  });

  test("one whose load was given up by others is tried again, unless its own caller gave up", async () => {
    const f = owned("f");
    const run = f.run(program("a", 2), []);
    device.end("a", new DawnletError("CANCELLED", "given up"));
    await vi.advanceTimersByTimeAsync(0);
    device.end("a");
    await run;
    const controller = new AbortController();
    const left = f.run(program("a", 2), [], controller.signal);
    controller.abort();
    device.end("a", new DawnletError("CANCELLED", "the caller gave up"));
    await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
    expect(device.running).toEqual([]);
  });

  test("a load brings in what was evicted, of which the device keeps all but the weights", async () => {
    const f = owned("f");
    await call(f, program("a", 5));
    await call(f, program("b", 5));
    await f.load(program("a", 5));
    expect(device.told).toEqual(["run a", "evict a", "run b", "evict b", "load a"]);
  });

  test("other failures are the caller's, and not tried again", async () => {
    const run = owned("f").run(program("a", 2), []);
    const refused = expect(run).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    device.end("a", new DawnletError("INVALID_ARGUMENT", "wrong"));
    await refused;
    // Whether its weights had come in nobody knows.
    expect(device.told).toEqual(["run a", "evict a"]);
  });
});

describe("owners", () => {
  test("a Program stays while one of its owners is left", async () => {
    const [f, g] = [owned("f"), owned("g")];
    await call(f, program("a", 2));
    await call(g, program("a", 2));
    await f.unload("a");
    expect(device.told).toEqual(["run a", "run a"]);
    await g.unload("a");
    expect(device.told.at(-1)).toBe("unload a");
    expect(managed.residency.usedBytes).toBe(0);
  });

  test("a Program whose owner leaves while it runs is unloaded when its run ends", async () => {
    const f = owned("f");
    const run = f.run(program("a", 2), []);
    await f.unload("a");
    expect(device.told).toEqual(["run a"]);
    device.end("a");
    await run;
    expect(device.told).toEqual(["run a", "unload a"]);
  });

  test("what one of them pins is pinned", async () => {
    const [f, g] = [owned("f"), owned("g")];
    await call(f, program("a", 4));
    await call(g, program("a", 4));
    g.configure({ ...defaultMemorySettings, pin: true });
    await expect(f.run(program("b", 4), [])).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    g.configure(defaultMemorySettings);
    await call(f, program("b", 4));
    expect(device.told).toContain("evict a");
  });
});

describe("over time", () => {
  test("what is past its keepAlive is evicted, and not before", async () => {
    const f = owned("f", { ...defaultMemorySettings, keepAliveMs: 1_000 });
    await call(f, program("a", 2));
    await vi.advanceTimersByTimeAsync(900);
    await call(f, program("a", 2));
    await vi.advanceTimersByTimeAsync(900);
    expect(device.told).not.toContain("evict a");
    await vi.advanceTimersByTimeAsync(200);
    expect(device.told).toContain("evict a");
    expect(managed.evictions.counts).toEqual({ room: 0, expired: 1, commanded: 0 });
    expect(managed.evictions.last[0]).toMatchObject({ function: "f", version: 1, cause: "expired" });
  });

  test.each(["activationBytes", "tensorBytes"] as const)(
    "what %s take is not there for weights",
    async (what) => {
      device.memoryInUse = { [what]: 4 * kib };
      const f = owned("f");
      await call(f, program("a", 3));
      await call(f, program("b", 3));
      await vi.advanceTimersByTimeAsync(1_000);
      expect(managed.residency.budgetBytes).toBe(3 * kib);
      expect(device.told.at(-1)).toBe("evict a");
      // Without them there is more room than at first.
      device.memoryInUse = {};
      await call(f, program("c", 1));
      await vi.advanceTimersByTimeAsync(1_000);
      expect(managed.residency.budgetBytes).toBe(7 * kib);
    },
  );

  describe("reading a tensor", () => {
    const tensor = { id: "t1" } as Parameters<ManagedDevice["readTensor"]>[0];
    const short = (neededBytes: number) =>
      new DawnletError("OUT_OF_MEMORY", "no room", { details: { neededBytes } });

    test("for which there is no room makes weights go, more of them each time", async () => {
      await call(owned("f"), program("a", 3));
      await call(owned("f"), program("b", 3));
      device.tensors.set("t1", Uint8Array.of(1));
      device.memoryInUse = { weightBytes: 8 * kib, placedBytes: 6 * kib };
      device.readFailures.push(short(kib / 2), short(kib / 2));
      const read = managed.readTensor(tensor);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await read).toEqual(Uint8Array.of(1));
      expect(device.told.filter((what) => /read|evict/.test(what))).toEqual([
        "read t1",
        "evict a",
        "read t1",
        "evict b",
        "read t1",
      ]);
    });

    test("fails where there is none without weights either, and of other errors at once", async () => {
      device.readFailures.push(...Array.from({ length: 10 }, () => short(kib)));
      const read = expect(managed.readTensor(tensor)).rejects.toThrow("no room");
      await vi.advanceTimersByTimeAsync(10_000);
      await read;
      expect(device.readFailures.length).toBeGreaterThan(0);
      device.readFailures.splice(0, 10, new DawnletError("DEVICE_LOST", "gone"));
      await expect(managed.readTensor(tensor)).rejects.toThrow("gone");
    });
  });

  describe("what GPU sessions", () => {
    const usage = { group: "g", gpuMs: 0, hostMs: 0, bytes: 0, missingBytes: 0 };

    test("hold is not there for weights, and is again when they have let it go", async () => {
      await call(owned("f"), program("a", 3));
      await call(owned("f"), program("b", 3));
      await vi.advanceTimersByTimeAsync(1_000);
      const before = managed.residency.budgetBytes;
      device.memoryInUse = { sessionBytes: 4 * kib };
      managed.sessionsUse({ ...usage, bytes: 4 * kib });
      expect(managed.sessionBytes).toBe(4 * kib);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(managed.residency.budgetBytes).toBe(3 * kib);
      expect(device.told.at(-1)).toBe("evict a");
      device.memoryInUse = {};
      managed.sessionsUse(usage);
      expect(managed.sessionBytes).toBe(0);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(managed.residency.budgetBytes).toBe(before);
    });

    test("found no room for makes weights go, so that the next try finds it", async () => {
      await call(owned("f"), program("a", 3));
      await call(owned("f"), program("b", 3));
      device.memoryInUse = { weightBytes: 7 * kib, placedBytes: 6 * kib };
      managed.sessionsUse({ ...usage, missingBytes: 3 * kib });
      await vi.advanceTimersByTimeAsync(1_000);
      expect(managed.residency.budgetBytes).toBe(3 * kib);
      expect(device.told.at(-1)).toBe("evict a");
    });

    test("found no room for goes before what the rules leave weights, where slabs have holes", async () => {
      await call(owned("f"), program("a", 3));
      await call(owned("f"), program("b", 3));
      // Of 8 KiB all are taken, though weights have no more than their share.
      device.memoryInUse = { weightBytes: 8 * kib, placedBytes: 6 * kib };
      managed.sessionsUse({ ...usage, missingBytes: kib / 2 });
      await vi.advanceTimersByTimeAsync(1_000);
      expect(managed.residency.budgetBytes).toBe(5.5 * kib);
      expect(device.told.at(-1)).toBe("evict a");
    });

    test("had is forgotten with the device process", async () => {
      managed.sessionsUse({ ...usage, bytes: 4 * kib });
      managed.restarted();
      expect(managed.sessionBytes).toBe(0);
    });
  });

  test("after a restart pinned Programs come in again by themselves", async () => {
    const pinned = owned("pinned", { ...defaultMemorySettings, pin: true });
    await pinned.load(program("a", 2));
    await call(owned("f"), program("b", 2));
    const before = device.told.length;
    managed.restarted();
    expect(managed.residency.usedBytes).toBe(0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(device.told.slice(before)).toEqual(["load a"]);
    expect(managed.residency.usedBytes).toBe(2 * kib);
  });
});
