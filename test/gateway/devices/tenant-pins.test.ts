/** What tenants may have pinned, on devices in memory that have 7 KiB for weights each. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DeviceSet } from "../../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { Tenancy } from "../../../gateway/devices/tenancy.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import type { FakeDevice } from "./fake-device.ts";
import { fakeDevices, program } from "./fake-devices.ts";

const kib = 1024;
const pinned = { ...defaultMemorySettings, pin: true };
/** Of 3.5 KiB, half of a device: 2.625 and 0.875. */
const weights = { alice: 3, bob: 1 };
const tenancy = new Tenancy(new Map(Object.entries(weights)));
let set: DeviceSet;
let links: readonly FakeDevice[];

function open(count: number, shared = tenancy): void {
  ({ set, links } = fakeDevices(count, { tenancy: shared }));
}

function functionOf(tenant: string | undefined, name: string, settings = pinned): FunctionDevice {
  return new FunctionDevice(set, { name, version: 1, settings, tenant });
}

const pinsOn = (id: string) => set.devices.flatMap((device) => (device.pins(id) ? [device.index] : []));

beforeEach(() => {
  vi.useFakeTimers();
  open(1);
});

afterEach(async () => {
  await set.stop();
  vi.useRealTimers();
});

describe("pins of tenants", () => {
  test("are in force up to a tenant's share of half of the device, and beyond that it says why they are not", async () => {
    const first = functionOf("bob", "first");
    await first.load(program("a", 0.5));
    const second = functionOf("bob", "second");
    await second.load(program("b", 0.5));
    expect([pinsOn("a"), pinsOn("b")]).toEqual([[0], []]);
    expect(first.unpinnedReason).toBeUndefined();
    expect(second.unpinnedReason).toBe(
      "functions of tenant 'bob' may pin 896 B of weights on a device, and with this one they would have 1.0 KiB",
    );
    expect(set.evictFrom(0, "b")).toBe(true);
    expect(set.evictFrom(0, "a")).toBe(false);
    // Another tenant's share is its own.
    await functionOf("alice", "third").load(program("c", 2.5));
    expect(pinsOn("c")).toEqual([0]);
  });

  test("are in force once another of the tenant's has gone", async () => {
    const first = functionOf("bob", "first");
    await first.load(program("a", 0.5));
    const second = functionOf("bob", "second");
    await second.load(program("b", 0.5));
    first.configure(defaultMemorySettings);
    expect([pinsOn("a"), pinsOn("b")]).toEqual([[], [0]]);
    expect(second.unpinnedReason).toBeUndefined();
    first.configure(pinned);
    expect([pinsOn("a"), pinsOn("b")]).toEqual([[], [0]]);
    await second.unload("b");
    expect(pinsOn("a")).toEqual([0]);
  });

  test("are not limited for the operator, nor for anybody where no tenants are named", async () => {
    await functionOf(undefined, "operator's").load(program("a", 6));
    expect(pinsOn("a")).toEqual([0]);
    await set.stop();
    open(1, new Tenancy());
    await functionOf("bob", "of before").load(program("a", 6));
    expect(pinsOn("a")).toEqual([0]);
  });

  test("of a Program that the operator pins too are the operator's", async () => {
    const bobs = functionOf("bob", "f");
    await bobs.load(program("a", 2));
    expect(pinsOn("a")).toEqual([]);
    const operators = functionOf(undefined, "g");
    await operators.load(program("a", 2));
    expect(pinsOn("a")).toEqual([0]);
    operators.configure(defaultMemorySettings);
    expect(pinsOn("a")).toEqual([]);
  });

  test("count weights once that Programs of a tenant share", async () => {
    const sized = (id: string): OwnedProgram => ({ ...program("a", 0.5), id });
    const one = functionOf("bob", "one");
    await one.load(sized("a for 1"));
    await one.load(sized("a for 2"));
    expect([pinsOn("a for 1"), pinsOn("a for 2")]).toEqual([[0], [0]]);
    await one.load(program("b", 0.5));
    expect(pinsOn("b")).toEqual([]);
  });

  test("have as much on each device", async () => {
    await set.stop();
    open(2);
    for (const id of ["a", "b", "c"]) await functionOf("bob", id).load(program(id, 0.5));
    expect(["a", "b", "c"].map(pinsOn).map(({ length }) => length)).toEqual([1, 1, 0]);
    expect(pinsOn("a")).not.toEqual(pinsOn("b"));
  });

  test("end, the last first, when the device has less for weights, and begin again when it has more", async () => {
    for (const id of ["a", "b"]) await functionOf("alice", id).load(program(id, 1.25));
    expect([pinsOn("a"), pinsOn("b")]).toEqual([[0], [0]]);
    const room = async (activationBytes: number) => {
      links[0]!.memoryInUse = { activationBytes };
      // The device is asked for what it uses after a run.
      const run = functionOf(undefined, "x", defaultMemorySettings).run(program("x", 0.5), []);
      links[0]!.end("x");
      await run;
      await vi.advanceTimersByTimeAsync(1_000);
      await set.release({ name: "x", version: 1, settings: pinned }, "x");
      set.evictFrom(0, "x");
    };
    await room(2 * kib);
    expect(set.devices[0]!.budgetBytes).toBeLessThan(6 * kib);
    expect([pinsOn("a"), pinsOn("b")]).toEqual([[0], []]);
    await room(0);
    expect([pinsOn("a"), pinsOn("b")]).toEqual([[0], [0]]);
  });

  test("never take more than the share on any device, and none waits that would fit, whatever comes and goes", async () => {
    const seen = { pinned: 0, refused: 0 };
    const anyMoves = fc.array(
      fc.record({
        of: fc.nat(7),
        tenant: fc.constantFrom("alice", "bob", undefined),
        change: fc.constantFrom("load" as const, "load" as const, "pin" as const, "unpin" as const),
      }),
      { maxLength: 30, size: "max" },
    );
    await fc.assert(
      fc.asyncProperty(anyMoves, fc.integer({ min: 1, max: 3 }), async (moves, count) => {
        ({ set } = fakeDevices(count, { tenancy }));
        const functions = new Map<number, FunctionDevice>();
        const sizeOf = (of: number) => 0.25 * (1 + (of % 4));
        for (const { of, tenant, change } of moves) {
          const fn = functions.get(of) ?? functionOf(tenant, `f${of}`);
          functions.set(of, fn);
          if (change === "load") await fn.load(program(`${of}`, sizeOf(of)));
          else fn.configure(change === "pin" ? pinned : defaultMemorySettings);
          for (const [name, weight] of Object.entries(weights)) {
            const wanted = [...functions].filter(
              ([, { owner, programs }]) => owner.tenant === name && owner.settings.pin && programs.length > 0,
            );
            const limit = (3.5 * weight) / 4;
            const used = set.devices.map(({ index }) =>
              wanted.reduce((sum, [id]) => sum + (pinsOn(`${id}`).includes(index) ? sizeOf(id) : 0), 0),
            );
            for (const one of used) expect(one).toBeLessThanOrEqual(limit);
            for (const [id, one] of wanted) {
              const isIn = pinsOn(`${id}`).length === 1;
              expect(one.unpinnedReason === undefined).toBe(isIn);
              if (!isIn) for (const has of used) expect(has + sizeOf(id)).toBeGreaterThan(limit);
              seen[isIn ? "pinned" : "refused"]++;
            }
          }
          for (const [id, { owner, programs }] of functions) {
            if (!owner.settings.pin) expect(pinsOn(`${id}`)).toEqual([]);
            else if (owner.tenant === undefined && programs.length > 0)
              expect(pinsOn(`${id}`).length).toBe(1);
          }
        }
        await set.stop();
      }),
      { seed: 1 },
    );
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(100);
  });
});
