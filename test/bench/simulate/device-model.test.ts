import { describe, expect, it } from "vitest";
import { BusModel } from "../../../bench/simulate/bus-model.ts";
import { DeviceModel } from "../../../bench/simulate/device-model.ts";
import type { PolicyTraits } from "../../../gateway/scheduler/core/policy.ts";
import { Timeline } from "./schedule.ts";

const spec = {
  ...{ id: "gpu", class: "gpu", node: "node", bus: "bus", budgetBytes: 1_000 },
  loadBytesPerMs: 10,
};
const fn = { id: "fn", tenant: "all", weightBytes: 1_000, runMs: 30, coldStartMs: 500 };
const other = { ...fn, id: "other", runMs: 60 };

interface Step {
  readonly at: number;
  readonly fn: typeof fn;
  readonly isCold: boolean;
  readonly isFromPeer?: boolean;
}

/** When each run was answered; loading alone takes 100 ms, a tenth of a run needs the last of the weights. */
function play(traits: PolicyTraits, steps: readonly Step[]): readonly number[] {
  const timeline = new Timeline();
  const bus = new BusModel(spec.loadBytesPerMs, timeline.schedule);
  const device = new DeviceModel({
    ...{ spec, traits, bus, schedule: timeline.schedule, tell: () => {} },
    ...{ noise: () => 1, loadNoise: () => 1, tailPart: 0.1, returnPart: 0 },
  });
  const answers = steps.map(() => Number.NaN);
  for (const [run, { at, fn: one, isCold, isFromPeer = false }] of steps.entries())
    timeline.schedule(at, () => {
      const common = { type: "run", run, device: "gpu", function: one.id, requests: [run] } as const;
      device.run(timeline.now, { ...common, isCold, due: undefined, share: undefined }, one, {
        ...{ isFromPeer },
        answered: () => {
          answers[run] = timeline.now;
        },
      });
    });
  timeline.run();
  return answers;
}

const serial = { overlapsLoads: false, sharesSpace: false };
const overlapping = { overlapsLoads: true, sharesSpace: false };

describe("DeviceModel", () => {
  it("loads, then runs, where loading does not overlap", () => {
    expect(play(serial, [{ at: 0, fn, isCold: true }])).toEqual([130]);
    expect(play(serial, [{ at: 0, fn, isCold: false }])).toEqual([30]);
  });

  it("has only the tail left to run when the weights are there, where loading overlaps", () => {
    expect(play(overlapping, [{ at: 0, fn, isCold: true }])[0]).toBeCloseTo(103, 9);
  });

  it("goes no further while another's weights come in before its own", () => {
    const small = { ...other, runMs: 30, weightBytes: 10 };
    const answers = play(overlapping, [
      { at: 0, fn, isCold: true },
      { at: 0, fn: small, isCold: true },
    ]);
    expect(answers[0]).toBeCloseTo(103, 9);
    // Its weights move from 100 to 101 ms, while the device computes the tail of the first: all of its run is left.
    expect(answers[1]).toBeCloseTo(133, 9);
  });

  it("goes as far meanwhile as the device has time for", () => {
    // Of the 100 ms of its load the other takes 90: ten are left for it, and 20 of its 30 follow.
    const busy = { ...other, runMs: 90 };
    const answers = play(overlapping, [
      { at: 0, fn: busy, isCold: false },
      { at: 0, fn, isCold: true },
    ]);
    expect(answers[0]).toBeCloseTo(90, 9);
    expect(answers[1]).toBeCloseTo(120, 9);
  });

  it("gives one of those that wait for the same weights the time of their load, and the others none", () => {
    const answers = play(overlapping, [
      { at: 0, fn, isCold: true },
      { at: 1, fn, isCold: false },
    ]);
    expect(answers[0]).toBeCloseTo(103, 9);
    expect(answers[1]).toBeCloseTo(133, 9);
  });

  it("starts a process first under policies that do, and only then", () => {
    expect(play({ ...serial, coldStart: "process" }, [{ at: 0, fn, isCold: true }])).toEqual([630]);
  });

  it("gets weights from another device without the bus", () => {
    const answers = play({ ...serial, peerBytesPerMs: 100 }, [
      { at: 0, fn, isCold: true, isFromPeer: true },
      { at: 0, fn: other, isCold: true },
    ]);
    expect(answers[0]).toBeCloseTo(40, 9);
    expect(answers[1]).toBeCloseTo(160, 9);
  });
});
