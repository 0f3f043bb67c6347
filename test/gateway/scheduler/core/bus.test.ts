import { describe, expect, it } from "vitest";
import { Bus } from "../../../../gateway/scheduler/core/bus.ts";

describe("the loads a second of a bus", () => {
  it("come near what they are, and fade once none comes", () => {
    const bus = new Bus();
    for (let at = 0; at < 60_000; at += 50) {
      bus.begin(at);
      bus.end(at + 20);
    }
    expect(bus.loadsPerSecond(60_000)).toBeCloseTo(20, 0);
    expect(bus.loadsPerSecond(65_000)).toBeCloseTo(10, 0);
    expect(bus.loadsPerSecond(120_000)).toBeLessThan(0.01);
  });
});
