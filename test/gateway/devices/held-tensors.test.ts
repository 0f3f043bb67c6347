/** What one holder counts, frees and refuses, with a device in memory. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { CallTensor } from "../../../gateway/devices/call-tensor.ts";
import { HeldTensors } from "../../../gateway/devices/held-tensors.ts";
import { FakeDevice } from "./fake-device.ts";

const kib = 1024;
let device: FakeDevice;
let holder: HeldTensors;

beforeEach(() => {
  device = new FakeDevice();
  holder = new HeldTensors({ device, budgetBytes: 10 * kib });
});

function onDevice(id: string, sizeBytes: number): CallTensor {
  return { dataType: "uint8", shape: [sizeBytes], held: { device: "device0", id, sizeBytes, generation: 1 } };
}

const bytes = (length: number): CallTensor => ({
  dataType: "uint8",
  shape: [length],
  data: new Uint8Array(length).fill(7),
});

test("tensors have numbers, a type and a shape, and are read where they are", async () => {
  device.tensors.set("t1", Uint8Array.of(1, 2));
  const [a, b] = holder.addAll([onDevice("t1", 2), bytes(3)]) as [number, number];
  expect(holder.get(a)).toMatchObject({ dataType: "uint8", shape: [2] });
  expect(await holder.read(a)).toEqual({ dataType: "uint8", shape: [2], data: Uint8Array.of(1, 2) });
  expect(await holder.read(b)).toEqual(bytes(3));
  expect(device.told).toEqual(["read t1"]);
});

test("a number of another holder, of none, or of one that was released names nothing", async () => {
  const other = new HeldTensors({ device, budgetBytes: 10 * kib });
  const a = other.add(onDevice("t1", 2 * kib));
  const gone = holder.add(onDevice("t2", 2 * kib));
  holder.release(gone);
  expect(device.told).toEqual(["release t2"]);
  for (const id of [a, gone, 99, -1, 0.5, Number.NaN]) {
    expect(() => holder.get(id)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    expect(() => holder.use([id])).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    await expect(holder.read(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
    holder.release(id);
  }
  expect(device.told).toEqual(["release t2"]);
  expect(other.get(a)).toEqual(onDevice("t1", 2 * kib));
});

describe("the budget", () => {
  test("takes all tensors of a call or none, and what it does not take it releases", () => {
    const a = holder.add(onDevice("t1", 6 * kib));
    expect(() => holder.addAll([onDevice("t2", 2 * kib), bytes(10), onDevice("t3", 2 * kib)])).toThrow(
      expect.objectContaining({ code: "OUT_OF_MEMORY" }),
    );
    expect(device.told).toEqual(["release t2,t3"]);
    expect(holder.usedBytes).toBe(6 * kib);
    holder.release(a);
    expect(holder.usedBytes).toBe(0);
    expect(holder.addAll([onDevice("t4", 10 * kib)])).toHaveLength(1);
  });

  test("ends tensors without bytes too", () => {
    for (let i = 0; i < 10; i++) holder.add(bytes(0));
    expect(() => holder.add(bytes(0))).toThrow(expect.objectContaining({ code: "OUT_OF_MEMORY" }));
  });
});

describe("a tensor that a call uses", () => {
  test("stays until the last such call has ended, though its number names nothing any more", () => {
    const a = holder.add(onDevice("t1", 2 * kib));
    const first = holder.use([a, a]);
    const second = holder.use([a]);
    expect(first.tensors).toEqual([onDevice("t1", 2 * kib), onDevice("t1", 2 * kib)]);
    holder.release(a);
    expect(() => holder.use([a])).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(device.told).toEqual([]);
    expect(holder.usedBytes).toBe(2 * kib);
    second[Symbol.dispose]();
    expect(device.told).toEqual(["release t1"]);
    expect(holder.usedBytes).toBe(0);
  });

  test("is not used where another of the same call is not held", () => {
    const a = holder.add(onDevice("t1", 2 * kib));
    expect(() => holder.use([a, 99])).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    holder.release(a);
    expect(device.told).toEqual(["release t1"]);
  });
});

test("in the end all is released, also what calls bring later", () => {
  const a = holder.add(onDevice("t1", 2 * kib));
  holder.add(onDevice("t2", 2 * kib));
  const used = holder.use([a]);
  holder.disposeAll();
  expect(device.told).toEqual(["release t2"]);
  expect(() => holder.add(onDevice("t3", 2 * kib))).toThrow(expect.objectContaining({ code: "CANCELLED" }));
  expect(device.told).toEqual(["release t2", "release t3"]);
  used[Symbol.dispose]();
  holder.disposeAll();
  expect(device.told).toEqual(["release t2", "release t3", "release t1"]);
  expect(holder.usedBytes).toBe(0);
});

test("whatever is done in whatever order, each tensor is released once, and none while it is used", () => {
  const action = fc.record({ type: fc.constantFrom("add", "release", "use", "end"), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const told = new FakeDevice();
      const one = new HeldTensors({ device: told, budgetBytes: 8 * kib });
      const uses: { readonly id: string; readonly dispose: () => void }[] = [];
      const names = new Map<number, string>();
      let made = 0;
      const released = () => told.told.flatMap((line) => line.replace("release ", "").split(","));
      for (const { type, at } of actions) {
        const number = [...names.keys()][at % Math.max(1, names.size)];
        if (type === "add") {
          const name = `t${++made}`;
          try {
            names.set(one.add(onDevice(name, 2 * kib)), name);
          } catch {
            expect(released()).toContain(name);
          }
        } else if (type === "end") uses.splice(at % Math.max(1, uses.length), 1)[0]?.dispose();
        else if (number !== undefined && type === "use") {
          const used = one.use([number]);
          uses.push({ id: names.get(number)!, dispose: () => used[Symbol.dispose]() });
        } else if (number !== undefined) {
          one.release(number);
          names.delete(number);
        }
        for (const { id } of uses) expect(released()).not.toContain(id);
        expect(one.usedBytes).toBeLessThanOrEqual(8 * kib);
      }
      one.disposeAll();
      for (const { dispose } of uses) dispose();
      expect(released().filter(Boolean).sort()).toEqual(
        Array.from({ length: made }, (_, i) => `t${i + 1}`).sort(),
      );
      expect(one.usedBytes).toBe(0);
    }),
  );
});
