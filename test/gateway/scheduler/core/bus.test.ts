import { describe, expect, it } from "vitest";
import { Bus } from "../../../../gateway/scheduler/core/bus.ts";
import { CommandedCluster } from "./commands.ts";

const one = new CommandedCluster();
const [device, neighbour] = ["device", "neighbour"].map((id) => one.device(id));

describe("the loads a second of a bus", () => {
  it("come near what they are, and fade once none comes", () => {
    const bus = new Bus();
    for (let at = 0; at < 60_000; at += 50) {
      const load = bus.begin(at, device!, 20);
      bus.end(at + 20, load);
    }
    expect(bus.loadsPerSecond(60_000)).toBeCloseTo(20, 0);
    expect(bus.loadsPerSecond(65_000)).toBeCloseTo(10, 0);
    expect(bus.loadsPerSecond(120_000)).toBeLessThan(0.01);
  });
});

describe("what is left of loads on a bus", () => {
  it("is shared while several come in, and each has all of it once the others should have ended", () => {
    const bus = new Bus();
    const first = bus.begin(0, device!, 10);
    expect(bus.leftMs(4, first)).toBe(6);
    const second = bus.begin(4, neighbour!, 10);
    expect([bus.leftMs(4, first), bus.leftMs(4, second)]).toEqual([12, 16]);
    // 12 ms, half of the bus for each; then the second alone, though nobody has told that the first has ended.
    expect([bus.leftMs(18, first), bus.leftMs(18, second)]).toEqual([0, 2]);
    bus.end(19, second);
    expect([bus.loads, bus.leftMs(19, first)]).toEqual([1, 0]);
  });

  it("is a device's own, and beside it as much of others' as it needs itself, at most all of theirs", () => {
    const bus = new Bus();
    bus.begin(0, device!, 10);
    bus.begin(0, neighbour!, 30);
    expect([bus.lineMs(0, device!), bus.lineMs(0, neighbour!)]).toEqual([10, 30]);
    expect([bus.besideMs(0, device!, 25), bus.besideMs(0, device!, 40)]).toEqual([25, 30]);
    expect(bus.lineMs(8, device!)).toBe(6);
  });
});
