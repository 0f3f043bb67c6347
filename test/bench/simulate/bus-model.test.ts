import { describe, expect, it } from "vitest";
import { BusModel } from "../../../bench/simulate/bus-model.ts";
import { Timeline } from "./schedule.ts";

interface Load {
  readonly at?: number;
  readonly device: string;
  readonly bytes: number;
  readonly fixedMs?: number;
}

/** When each has come in, at ten bytes a millisecond. */
function play(loads: readonly Load[]): readonly number[] {
  const timeline = new Timeline();
  const bus = new BusModel(10, timeline.schedule);
  const ends = loads.map(() => Number.NaN);
  for (const [i, { at = 0, device, bytes, fixedMs = 0 }] of loads.entries())
    timeline.schedule(at, () => {
      const done = (end: number) => {
        ends[i] = end;
      };
      bus.add(timeline.now, device, { fixedMs, leftBytes: bytes, done });
    });
  timeline.run();
  return ends;
}

describe("BusModel", () => {
  it("gives a load alone all of the bus", () => {
    expect(play([{ device: "a", bytes: 1_000 }])).toEqual([100]);
  });

  it("shares it equally between devices, and gives all of it to the one that is left", () => {
    const loads = [
      { device: "a", bytes: 1_000 },
      { device: "b", bytes: 500 },
    ];
    // Both at half speed until the smaller is there, at 100; then 500 bytes are left.
    expect(play(loads)).toEqual([150, 100]);
  });

  it("brings in one function at a time on a device, in the order in which they were asked for", () => {
    const loads = [1_000, 10].map((bytes) => ({ device: "a", bytes }));
    expect(play(loads)).toEqual([100, 101]);
  });

  it("lets what moves nothing yet hold up nobody", () => {
    const loads = [
      { device: "a", bytes: 100, fixedMs: 1_000 },
      { device: "a", bytes: 100 },
      { device: "b", bytes: 100, fixedMs: 1_000 },
    ];
    expect(play(loads)).toEqual([1_020, 10, 1_020]);
  });

  it("brings in nothing at once", () => {
    expect(play([{ device: "a", bytes: 0 }])).toEqual([0]);
  });

  it("ends loads late in a long simulation, where a clock cannot tell what rounding leaves", () => {
    const late = 1e9;
    const loads = Array.from({ length: 50 }, (_, i) => ({
      ...{ at: late + i / 7, device: `d${i % 3}`, bytes: 10 / 3 + i },
    }));
    const ends = play(loads);
    const bytes = loads.reduce((sum, one) => sum + one.bytes, 0);
    for (const end of ends) expect(end).toBeGreaterThan(late);
    expect(Math.max(...ends) - late).toBeCloseTo(bytes / 10, 3);
  });
});
