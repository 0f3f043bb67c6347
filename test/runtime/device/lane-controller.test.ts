/** The number of lanes settles where more do not pay, on devices that are formulas. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../models/seeded.ts";
import { LaneController, maxLanes } from "../../../runtime/device/lane-controller.ts";
import { LaneLimits } from "../../../runtime/device/lane-limits.ts";

/** A round of `lanes` runs takes `fixedMs`, and as many turns of `runMs` as the device, `width` at a time, needs. */
interface Model {
  readonly fixedMs: number;
  readonly runMs: number;
  readonly width: number;
}

function roundMs({ fixedMs, runMs, width }: Model, lanes: number): number {
  return fixedMs + runMs * Math.max(1, lanes / width);
}

function rateOf(model: Model, lanes: number): number {
  return (lanes * roundMs(model, 1)) / roundMs(model, lanes);
}

/** @param noise by how much of itself a round may take longer or shorter. */
function settle(controller: LaneController, model: Model, noise = 0, rounds = 4000): void {
  const random = seededRandom(5);
  for (let i = 0; i < rounds; i++) {
    const { lanes } = controller;
    const ms = roundMs(model, lanes) * (1 + noise * (2 * random() - 1));
    controller.observe({ lanes, soloMs: lanes * roundMs(model, 1), roundMs: ms });
  }
}

const model = fc.record({
  fixedMs: fc.double({ min: 0, max: 1, noNaN: true }),
  runMs: fc.double({ min: 0.01, max: 10, noNaN: true }),
  width: fc.constantFrom(1, 2, 5, 16, 100),
});
const start = fc.constantFrom(1, 2, 16, 64);
const bestOf = (device: Model) => Math.max(...[1, 2, 4, 8, 16, 32, 64].map((lanes) => rateOf(device, lanes)));

describe("a LaneController", () => {
  test("keeps all lanes where a round costs as much as a run", () => {
    const controller = new LaneController(maxLanes);
    const tiny: Model = { fixedMs: 0.2, runMs: 0.001, width: 1 };
    let fewest: number = maxLanes;
    for (let i = 0; i < 2000; i++) {
      settle(controller, tiny, 0.1, 1);
      fewest = Math.min(fewest, controller.lanes);
    }
    expect(fewest).toBeGreaterThanOrEqual(maxLanes / 2);
  });

  test.each([1, 2, 64])("comes to a single lane where runs fill the device, from %i", (lanes) => {
    const controller = new LaneController(lanes);
    settle(controller, { fixedMs: 0.01, runMs: 10, width: 1 });
    expect(controller.lanes).toBeLessThanOrEqual(2);
  });

  test.each([1, 16, 64])("finds how many runs a wide device takes at once, from %i", (lanes) => {
    const controller = new LaneController(lanes);
    settle(controller, { fixedMs: 0.01, runMs: 5, width: 16 });
    expect([16, 32]).toContain(controller.lanes);
  });

  test("does nearly as much work as can be done, on any device of this kind", () => {
    fc.assert(
      fc.property(model, start, (device, lanes) => {
        const controller = new LaneController(lanes);
        settle(controller, device);
        // A trial may be under way: no further than one step off.
        const near = [controller.lanes / 2, controller.lanes, controller.lanes * 2];
        const rate = Math.max(...near.map((n) => (n < 1 ? 0 : rateOf(device, Math.min(n, maxLanes)))));
        expect(rate).toBeGreaterThanOrEqual(0.8 * bestOf(device));
      }),
    );
  });

  test("does so where rounds are of uneven length, too", () => {
    fc.assert(
      fc.property(model, start, (device, lanes) => {
        const controller = new LaneController(lanes);
        let work = 0;
        let ms = 0;
        settle(controller, device, 0.05);
        for (let i = 0; i < 1000; i++) {
          const { lanes: now } = controller;
          work += now * roundMs(device, 1);
          ms += roundMs(device, now);
          settle(controller, device, 0.05, 1);
        }
        // All told, trials included.
        expect(work / ms).toBeGreaterThanOrEqual(0.75 * bestOf(device));
      }),
      { numRuns: 50 },
    );
  });

  test("stays within one and 64 lanes, whatever it is told", () => {
    const sample = fc.record({
      soloMs: fc.double(),
      roundMs: fc.double(),
    });
    fc.assert(
      fc.property(start, fc.array(sample, { maxLength: 300 }), (lanes, samples) => {
        const controller = new LaneController(lanes);
        for (const each of samples) controller.observe({ lanes: controller.lanes, ...each });
        expect(Number.isInteger(Math.log2(controller.lanes))).toBe(true);
        expect(controller.lanes).toBeGreaterThanOrEqual(1);
        expect(controller.lanes).toBeLessThanOrEqual(maxLanes);
      }),
    );
  });

  test("refuses to begin with what is no power of two, or too much", () => {
    expect(() => new LaneController(3)).toThrow(RangeError);
    expect(() => new LaneController(128)).toThrow(RangeError);
    expect(new LaneController(4).lanes).toBe(4);
  });
});

describe("LaneLimits", () => {
  test("learn for runs of one length, and not for others", () => {
    const limits = new LaneLimits();
    const before = limits.lanesFor(0.1);
    for (let i = 0; i < 4000; i++) {
      const lanes = limits.lanesFor(3);
      limits.observe({ soloMs: Array.from({ length: lanes }, () => 3), roundMs: 3 * lanes });
    }
    expect(limits.lanesFor(3)).toBeLessThanOrEqual(2);
    expect(limits.lanesFor(0.1)).toBe(before);
  });

  test("learn nothing from rounds of long and short runs, or of unknown ones", () => {
    const limits = new LaneLimits();
    const lanes = limits.lanesFor(3);
    for (let i = 0; i < 1000; i++) {
      for (const other of [0.1, undefined])
        limits.observe({
          soloMs: Array.from({ length: lanes }, (_, j) => (j === 0 ? other : 3)),
          roundMs: 3 * lanes,
        });
    }
    expect(limits.lanesFor(3)).toBe(lanes);
  });
});
