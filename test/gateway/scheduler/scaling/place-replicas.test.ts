import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DeviceSpace, emptySpace } from "../../../../gateway/scheduler/scaling/device-space.ts";
import {
  devicesInUse,
  placeReplicas,
  type ReplicaWish,
} from "../../../../gateway/scheduler/scaling/place-replicas.ts";
import { emptySheet, place, type Sheet } from "../../../../gateway/scheduler/scaling/rectangles.ts";
import { repack } from "../../../../gateway/scheduler/scaling/repack.ts";
import { anyExtent } from "./sheets.ts";

function devices(count: number, memoryBytes = 1000): DeviceSpace[] {
  return Array.from({ length: count }, (_, i) => emptySpace({ id: `gpu${i}`, kind: "gpu", memoryBytes }));
}

const anyWish = fc
  .record({
    name: fc.integer({ min: 0, max: 9 }),
    extent: anyExtent,
    bytes: fc.integer({ min: 0, max: 700 }),
  })
  .map(({ name, extent, bytes }): ReplicaWish => ({ function: `f${name}`, ...extent, bytes }));

describe("placeReplicas()", () => {
  it("never overcommits memory, quota × share or geometry, and loses no wish", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.array(anyWish, { maxLength: 16 }), (count, wishes) => {
        const { placements, unplaced, spaces } = placeReplicas(devices(count), wishes);
        expect(placements.length + unplaced.length).toBe(wishes.length);
        for (const { id, memoryBytes, sheet } of spaces) {
          const here = placements.filter(({ device }) => device === id);
          expect(here.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(memoryBytes);
          // A micro-grain of rounding a replica is not overcommitment.
          expect(here.reduce((sum, { quota, share }) => sum + quota * share, 0)).toBeLessThan(1.001);
          expect([...sheet.placed.keys()].sort()).toEqual(here.map((one) => one.function).sort());
        }
      }),
    );
  });

  it("puts replicas of one function on different devices", () => {
    const wish = { function: "a", quota: 0.1, share: 0.1, bytes: 1 };
    const { placements, unplaced } = placeReplicas(devices(2), [wish, wish, wish]);
    expect(placements.map(({ device }) => device)).toEqual(["gpu0", "gpu1"]);
    expect(unplaced).toEqual([wish]);
  });

  it("uses one device where one is enough, and another only for what does not fit there", () => {
    const wishes = ["a", "b", "c"].map((name) => ({ function: name, quota: 0.5, share: 0.5, bytes: 10 }));
    expect(devicesInUse(placeReplicas(devices(3), wishes).spaces)).toBe(1);
    const whole = { function: "d", quota: 1, share: 0.6, bytes: 10 };
    expect(devicesInUse(placeReplicas(devices(3), [...wishes, whole]).spaces)).toBe(2);
  });

  it("places by memory where memory is what is short", () => {
    // By area "wide" would come first and leave no device on which both heavy ones find theirs.
    const wishes = [
      { function: "wide", quota: 0.9, share: 0.9, bytes: 400 },
      { function: "heavy", quota: 0.1, share: 0.1, bytes: 1000 },
      { function: "half", quota: 0.1, share: 0.1, bytes: 600 },
    ];
    const { unplaced, spaces } = placeReplicas(devices(2), wishes);
    expect(unplaced).toEqual([]);
    expect(devicesInUse(spaces)).toBe(2);
  });

  it("keeps to the devices that a wish names; one that names none goes to the first", () => {
    const wish = { function: "a", quota: 0.1, share: 0.1, bytes: 1 };
    const deviceOf = (one: ReplicaWish) => placeReplicas(devices(2), [one]).placements[0]?.device;
    expect(deviceOf(wish)).toBe("gpu0");
    expect(deviceOf({ ...wish, devices: ["gpu1"] })).toBe("gpu1");
    expect(deviceOf({ ...wish, devices: [] })).toBeUndefined();
  });

  it("leaves out what is larger than a device's memory; what just fits is placed", () => {
    const wish = { function: "a", quota: 0.1, share: 0.1, bytes: 1001 };
    expect(placeReplicas(devices(1), [wish]).unplaced).toEqual([wish]);
    expect(placeReplicas(devices(1), [{ ...wish, bytes: 1000 }]).unplaced).toEqual([]);
  });
});

/** FaST-GShare's mix of functions: SM partition and quota of its evaluation. */
const resnet = { quota: 0.4, share: 0.12 };
const rnnt = { quota: 0.4, share: 0.24 };
const bert = { quota: 0.6, share: 0.5 };

describe("FaST-GShare's functions", () => {
  const mix = (resnets: number, rnnts: number, berts: number): ReplicaWish[] =>
    [
      ...Array.from({ length: resnets }, () => resnet),
      ...Array.from({ length: rnnts }, () => rnnt),
      ...Array.from({ length: berts }, () => bert),
    ].map((extent, i) => ({ function: `f${i}`, ...extent, bytes: 1 }));
  const devicesFor = (wishes: readonly ReplicaWish[]) =>
    devicesInUse(placeReplicas(devices(8), wishes).spaces);

  it("fit on one device, all eight, on 98.4 % of it", () => {
    expect(devicesFor(mix(4, 2, 2))).toBe(1);
  });

  it("fit whichever comes first, though those that came first may have to be put elsewhere", () => {
    const extents = mix(4, 2, 2).map(({ function: name, quota, share }) => [name, { quota, share }] as const);
    let placedAsTheyCame = 0;
    fc.assert(
      fc.property(fc.shuffledSubarray(extents, { minLength: 8 }), (order) => {
        expect(repack(new Map(order))).toBeDefined();
        let sheet: Sheet | undefined = emptySheet;
        for (const [name, extent] of order) sheet = sheet && place(sheet, name, extent);
        if (sheet !== undefined) placedAsTheyCame++;
      }),
      { seed: 1, numRuns: 100 },
    );
    expect(placedAsTheyCame).toBeLessThan(100);
  });

  it.each([
    // ResNet, RNNT, BERT, devices
    [4, 2, 2, 1],
    [8, 4, 0, 1],
    // In the column beside two BERTs there is room for eight ResNets.
    [8, 0, 2, 1],
    [0, 4, 2, 1],
    // Two columns of 0.4 for 16 ResNets. 17 would fit by area (0.816), but a fifth of the time beside them is too little.
    [16, 0, 0, 1],
    [17, 0, 0, 2],
    [0, 8, 0, 1],
    // Beside one BERT a column of eight, above it one of four; 14 would fit by area (0.972).
    [12, 0, 1, 1],
    [13, 0, 1, 2],
    [14, 0, 1, 2],
    // More than one device by area (1.284, 1.032).
    [4, 2, 3, 2],
    [7, 1, 2, 2],
    [8, 4, 4, 2],
  ])("%i ResNet, %i RNNT and %i BERT need %i device(s)", (resnets, rnnts, berts, expected) => {
    expect(devicesFor(mix(resnets, rnnts, berts))).toBe(expected);
  });
});
