import { describe, expect, it } from "vitest";
import { CommandedCluster } from "./commands.ts";

/** Loads of `count` functions on as many devices of one bus, which gives each an equal part of 10 bytes/ms. */
function sharedBus(count: number) {
  const one = new CommandedCluster();
  const ids = Array.from({ length: count }, (_, i) => `${i}`);
  const devices = ids.map((id) => one.device(id, { bus: "pcie", loadBytesPerMs: 99 }));
  const functions = ids.map((id) => one.function(id, { weightBytes: 80 }));
  return { one, ids, devices, functions };
}

describe("estimates of loads", () => {
  it("are the fixed part and the bytes at the device's rate, while nothing was measured", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { loadBytesPerMs: 5, loadFixedMs: 2 });
    expect(device.aloneLoadMs(one.function("f", { weightBytes: 40 }))).toBe(10);
    expect(device.aloneLoadMs(one.function("empty", { weightBytes: 0 }))).toBe(2);
  });

  it("are longer for each load that is on the bus, and not for those of other buses", () => {
    const one = new CommandedCluster();
    const [a, b, other] = ["a", "b", "other"].map((id) =>
      one.device(id, { bus: id === "other" ? "theirs" : "ours" }),
    );
    const [f, g] = [one.function("f"), one.function("g")];
    expect(b!.loadMs(f)).toBe(10);
    one.cluster.load(a!, f);
    expect(a!.residences.get(f)!.loadEndsAt).toBe(10);
    expect([b!.loadMs(f), other!.loadMs(f)]).toEqual([20, 10]);
    one.send({ type: "tick" }, 4);
    one.cluster.load(b!, g);
    // Both have come in when 20 bytes have.
    expect(b!.residences.get(g)!.loadEndsAt).toBe(20);
    expect(a!.residences.get(f)!.loadEndsAt).toBe(16);
    expect(a!.loadMs(g)).toBe(26);
    one.send({ type: "loaded", device: "a", function: "f" });
    expect(a!.loadMs(g)).toBe(20);
    one.send({ type: "load-failed", device: "b", function: "g" });
    expect(a!.loadMs(g)).toBe(10);
  });

  it("learn the rate from a load that had the bus for itself", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { loadFixedMs: 2 });
    const fn = one.function("f", { weightBytes: 60 });
    one.cluster.load(device, fn);
    one.send({ type: "loaded", device: "d", function: "f", loadMs: 8 }, 8);
    expect(device.aloneLoadMs(fn)).toBe(8);
    expect(device.aloneLoadMs(one.function("g", { weightBytes: 20 }))).toBe(4);
  });

  it("learn the rate from a load that somebody else had asked for", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { loadFixedMs: 2 });
    const fn = one.function("f", { weightBytes: 60 });
    one.send({ type: "loaded", device: "d", function: "f", loadMs: 8 });
    one.send({ type: "loaded", device: "d", function: "removed long ago", loadMs: 1_000 });
    expect(device.aloneLoadMs(fn)).toBe(8);
    expect(device.residences.has(fn)).toBe(false);
  });

  it("learn nothing from a load without a measurement, without bytes, or faster than its fixed part", () => {
    const one = new CommandedCluster();
    const device = one.device("d", { loadFixedMs: 2 });
    const specs = { unmeasured: 10, empty: 0, quick: 10 } as const;
    for (const [id, weightBytes] of Object.entries(specs))
      one.cluster.load(device, one.function(id, { weightBytes }));
    one.send({ type: "loaded", device: "d", function: "unmeasured" }, 9);
    one.send({ type: "loaded", device: "d", function: "empty", loadMs: 9 });
    one.send({ type: "loaded", device: "d", function: "quick", loadMs: 2 });
    expect(device.aloneLoadMs(one.function("unmeasured"))).toBe(12);
  });

  it.each([2, 3, 8])("learn the whole rate of a bus that %i loads shared from beginning to end", (count) => {
    const { one, ids, devices, functions } = sharedBus(count);
    for (const [i, device] of devices.entries()) one.cluster.load(device, functions[i]!);
    const loadMs = 8 * count;
    for (const id of ids) one.send({ type: "loaded", device: id, function: id, loadMs }, loadMs);
    for (const [i, device] of devices.entries()) expect(device.aloneLoadMs(functions[i]!)).toBeCloseTo(8);
  });

  it("learn the whole rate where loads came and went meanwhile", () => {
    const { one, devices, functions } = sharedBus(3);
    const [first, second, third] = devices;
    // 4 ms alone, then 8 ms with half of the bus; what came second then has it for itself.
    one.cluster.load(first!, functions[0]!);
    one.send({ type: "tick" }, 4);
    one.cluster.load(second!, functions[1]!);
    one.send({ type: "loaded", device: "0", function: "0", loadMs: 12 }, 12);
    one.send({ type: "loaded", device: "1", function: "1", loadMs: 12 }, 16);
    expect(first!.aloneLoadMs(functions[0]!)).toBeCloseTo(8);
    expect(second!.aloneLoadMs(functions[1]!)).toBeCloseTo(8);
    // The bus stood still meanwhile.
    one.send({ type: "tick" }, 1_000);
    one.cluster.load(third!, functions[2]!);
    one.send({ type: "loaded", device: "2", function: "2", loadMs: 8 }, 1_008);
    expect(third!.aloneLoadMs(functions[2]!)).toBeCloseTo(8);
  });
});
