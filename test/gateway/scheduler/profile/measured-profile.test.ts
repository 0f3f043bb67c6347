import { describe, expect, it } from "vitest";
import { heatMap } from "../../../../gateway/scheduler/profile/heat-map.ts";
import { knownTimes, occupancyOf } from "../../../../gateway/scheduler/profile/known-times.ts";
import {
  parseMeasuredProfile,
  toMeasuredRecord,
} from "../../../../gateway/scheduler/profile/measured-profile.ts";
import { measuredLines } from "../../../../gateway/scheduler/profile/measured-text.ts";
import { measured } from "./measured.ts";

describe("parseMeasuredProfile()", () => {
  it("reads what was written, after a way through JSON", () => {
    for (const profile of [measured(), measured("f", [0.5]), { ...measured(), notes: ["a note"] }])
      expect(parseMeasuredProfile(JSON.parse(JSON.stringify(toMeasuredRecord(profile))))).toEqual(profile);
  });

  it("says what is wrong with a record, and takes the one that it was made from", () => {
    const good = toMeasuredRecord(measured());
    expect(() => parseMeasuredProfile(good)).not.toThrow();
    const [first, ...others] = good.points;
    const withFirst = (change: object) => ({ ...good, points: [{ ...first, ...change }, ...others] });
    expect(() => parseMeasuredProfile({ ...good, format: 2 })).toThrow(/format/);
    expect(() => parseMeasuredProfile({ ...good, digest: "short" })).toThrow(/digest/);
    expect(() => parseMeasuredProfile({ ...good, rows: 0 })).toThrow(/rows/);
    expect(() => parseMeasuredProfile({ ...good, points: others })).toThrow(/every combination/);
    expect(() => parseMeasuredProfile(withFirst({ lanes: 0 }))).toThrow(/points\.0\.lanes/);
    expect(() => parseMeasuredProfile(withFirst({ othersBusy: 1.5 }))).toThrow(/points\.0\.othersBusy/);
  });
});

describe("knownTimes()", () => {
  it("has the medians of runs with nothing beside them and all of the time, by rows", () => {
    expect(knownTimes(measured())).toEqual([
      { class: "0123456789abcdef", batch: 1, runMs: 10 },
      { class: "0123456789abcdef", batch: 4, runMs: 20 },
    ]);
    expect(knownTimes({ ...measured(), rows: 3 }).map(({ batch }) => batch)).toEqual([3, 12]);
  });

  it("leaves out what was inferred", () => {
    expect(knownTimes(measured("f", [1]))).toEqual([]);
    expect(knownTimes(measured("f", [0.5]))).toHaveLength(2);
  });
});

describe("occupancyOf()", () => {
  it("is what one run answers of what the device can, a call a run", () => {
    expect(occupancyOf(measured())).toBeCloseTo(0.8);
  });

  it("is 1 where more lanes answer no more, and unknown where it was not measured", () => {
    const { points } = measured();
    expect(occupancyOf({ points: points.filter(({ lanes }) => lanes === 1) })).toBe(1);
    expect(occupancyOf({ points: points.filter(({ lanes }) => lanes === 2) })).toBeUndefined();
    expect(occupancyOf({ points: points.filter(({ quota }) => quota < 1) })).toBeUndefined();
    expect(occupancyOf(measured("f", [1]))).toBeUndefined();
    expect(occupancyOf({ points: points.map((point) => ({ ...point, throughput: 0 })) })).toBeUndefined();
  });
});

describe("what was inferred", () => {
  it("has a tilde in the table and in the picture, which other figures have not", () => {
    const lines = measuredLines(measured("f", [0.5]));
    expect(lines).toContain("50 %   ~40 (40)      80 (20)");
    expect(lines).toContain(
      "inferred (~): 4 figures, from those with all of the time in proportion, as time was up",
    );
    expect(measuredLines(measured()).join("\n")).not.toMatch(/~|inferred/);
    expect(heatMap(measured("f", [0.5]))).toMatch(/>~40<.*calls a second; ~ inferred/);
    expect(heatMap(measured())).not.toContain("~");
  });
});

describe("measuredLines()", () => {
  it("says below the tables what the figures rest on", () => {
    const quiet = measuredLines({ ...measured(), notes: ["no run takes 8 calls"] });
    expect(quiet.slice(-5)).toEqual([
      "",
      "space: 100 % is 2 runs side by side",
      "time: kept by pauses between runs, over 100 ms",
      "measured: 8 figures of 25 runs or more",
      "note: no run takes 8 calls",
    ]);
    const { points } = measured();
    const busy = points.map((point, i) => ({ ...point, othersBusy: i === 2 ? 0.3 : 0.001 }));
    expect(measuredLines({ ...measured(), points: busy })).toContain(
      "others had the device for up to 30 % of the time: alone it may be faster than shown",
    );
    const one = measuredLines({ ...measured(), points: points.filter(({ lanes }) => lanes === 1) });
    expect(one).toContain("space: 100 % is one run at a time");
  });
});
