import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Extent,
  emptySheet,
  findFit,
  freeArea,
  grainsPerSide,
  overlaps,
  place,
  type Rectangle,
  release,
  type Sheet,
} from "../../../../gateway/scheduler/scaling/rectangles.ts";
import { repack } from "../../../../gateway/scheduler/scaling/repack.ts";
import { anyExtent, growsFreely, unionArea } from "./sheets.ts";

/** What happens to a sheet: a new rectangle, or one of those there goes. */
const anySteps = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ type: fc.constant("place" as const), extent: anyExtent }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("release" as const), pick: fc.nat() }) },
  ),
  { maxLength: 40 },
);

type Steps = typeof anySteps extends fc.Arbitrary<infer T> ? T : never;

function sheetAfter(steps: Steps): Sheet {
  let sheet = emptySheet;
  for (const [index, step] of steps.entries()) {
    if (step.type === "place") sheet = place(sheet, `r${index}`, step.extent) ?? sheet;
    else sheet = release(sheet, [...sheet.placed.keys()][step.pick % Math.max(1, sheet.placed.size)] ?? "");
  }
  return sheet;
}

function placeAll(extents: readonly Extent[]): Sheet | undefined {
  let sheet: Sheet | undefined = emptySheet;
  for (const [index, extent] of extents.entries()) sheet = sheet && place(sheet, `r${index}`, extent);
  return sheet;
}

describe("a sheet of rectangles", () => {
  it("takes what fits exactly: five fifths of the time, each with all of the space", () => {
    const fifths = Array.from({ length: 5 }, () => ({ quota: 0.2, share: 1 }));
    const sheet = placeAll(fifths)!;
    expect(freeArea(sheet)).toBe(0);
    expect(sheet.free).toEqual([]);
    expect(place(sheet, "more", { quota: 0.01, share: 0.01 })).toBeUndefined();
  });

  it("takes 64 lanes of one sixty-fourth each", () => {
    expect(placeAll(Array.from({ length: 64 }, () => ({ quota: 1, share: 1 / 64 })))?.free).toEqual([]);
  });

  it("prefers the place that leaves the least of the shorter side", () => {
    const sheet = placeAll([{ quota: 0.6, share: 0.5 }])!;
    // To the right 0.4 × 1 are free, above 1 × 0.5.
    expect(findFit(sheet, { quota: 0.4, share: 0.3 })?.rectangle).toMatchObject({
      left: 0.6 * grainsPerSide,
      bottom: 0,
    });
    expect(findFit(sheet, { quota: 0.3, share: 0.5 })?.rectangle).toMatchObject({
      left: 0,
      bottom: 0.5 * grainsPerSide,
    });
  });

  it("breaks ties to the left, then to the bottom", () => {
    const sheet = placeAll([
      { quota: 0.5, share: 0.5 },
      { quota: 0.5, share: 0.5 },
    ])!;
    const corner = [...sheet.placed.values()].map(({ left, bottom }) => [left, bottom]);
    expect(corner[0]).toEqual([0, 0]);
    expect(corner[1]).toEqual([0, 0.5 * grainsPerSide]);
  });

  it("refuses sides outside (0, 1] and a name that is there; a side of 1 and a new name pass", () => {
    for (const side of [0, -0.1, 1.01, Number.NaN]) {
      expect(() => place(emptySheet, "a", { quota: side, share: 1 })).toThrow(RangeError);
      expect(() => place(emptySheet, "a", { quota: 1, share: side })).toThrow(RangeError);
    }
    const sheet = place(emptySheet, "a", { quota: 1, share: 0.5 })!;
    expect(() => place(sheet, "a", { quota: 1, share: 0.5 })).toThrow(RangeError);
    expect(place(sheet, "b", { quota: 1, share: 0.5 })?.placed.size).toBe(2);
  });

  it("never lets placed rectangles overlap each other or what is free, or leave the sheet", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const { placed, free } = sheetAfter(steps);
        const rectangles = [...placed.values()];
        for (const [index, one] of rectangles.entries()) {
          expect(one.left + one.width).toBeLessThanOrEqual(grainsPerSide);
          expect(one.bottom + one.height).toBeLessThanOrEqual(grainsPerSide);
          for (const other of [...rectangles.slice(index + 1), ...free])
            expect(overlaps(one, other)).toBe(false);
        }
      }),
    );
  });

  it("knows all that is free: with what is placed it covers the sheet", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const sheet = sheetAfter(steps);
        const placed = unionArea([...sheet.placed.values()]);
        const free = unionArea(sheet.free);
        expect(placed + free).toBe(grainsPerSide ** 2);
        expect(freeArea(sheet)).toBeCloseTo(free / grainsPerSide ** 2, 9);
      }),
    );
  });

  it("has free rectangles that are maximal, none of them twice", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const { placed, free } = sheetAfter(steps);
        for (const one of free) expect(growsFreely(one, [...placed.values()])).toBe(false);
        expect(new Set(free.map((one) => JSON.stringify(one))).size).toBe(free.length);
      }),
    );
  });

  it("finds a place wherever there is one: every corner of what is placed is tried beside it", () => {
    fc.assert(
      fc.property(anySteps, anyExtent, (steps, extent) => {
        const sheet = sheetAfter(steps);
        const rectangles = [...sheet.placed.values()];
        const width = Math.round(extent.quota * grainsPerSide);
        const height = Math.round(extent.share * grainsPerSide);
        const fits = (left: number, bottom: number) => {
          const one: Rectangle = { left, bottom, width, height };
          const isInside = left + width <= grainsPerSide && bottom + height <= grainsPerSide;
          return isInside && !rectangles.some((other) => overlaps(one, other));
        };
        // Whatever fits somewhere also fits pushed to the left and bottom, against an edge of something placed.
        const lefts = [0, ...rectangles.map(({ left, width: w }) => left + w)];
        const bottoms = [0, ...rectangles.map(({ bottom, height: h }) => bottom + h)];
        const isThere = lefts.some((left) => bottoms.some((bottom) => fits(left, bottom)));
        expect(findFit(sheet, extent) !== undefined).toBe(isThere);
      }),
    );
  });

  it("has the same free rectangles in whichever order others went, and as if they had never been there", () => {
    fc.assert(
      fc.property(anySteps, fc.array(fc.nat(), { maxLength: 20 }), (steps, picks) => {
        const sheet = sheetAfter(steps);
        const names = [...sheet.placed.keys()];
        const leaving = [...new Set(picks.map((pick) => names[pick % Math.max(1, names.length)] ?? ""))];
        const oneWay = leaving.reduce(release, sheet);
        const otherWay = [...leaving].reverse().reduce(release, sheet);
        expect(otherWay.free).toEqual(oneWay.free);
        expect(release(oneWay, "nobody").free).toEqual(oneWay.free);
        // Placed and taken away again: nothing stays of it.
        const visited = place(oneWay, "visitor", { quota: 0.1, share: 0.1 });
        if (visited !== undefined) expect(release(visited, "visitor").free).toEqual(oneWay.free);
      }),
    );
  });

  it("is whole again when all have gone", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const sheet = sheetAfter(steps);
        expect([...sheet.placed.keys()].reduce(release, sheet)).toEqual(emptySheet);
      }),
    );
  });
});

describe("repack()", () => {
  it("makes room that is there in pieces only", () => {
    // Left to themselves, two small ones stand where a wide one would lie.
    const scattered = place(place(emptySheet, "a", { quota: 0.4, share: 0.12 })!, "b", {
      quota: 0.4,
      share: 0.12,
    })!;
    const wide = { quota: 0.6, share: 0.9 };
    expect(place(scattered, "wide", wide)).toBeUndefined();
    const extents = new Map([
      ["a", { quota: 0.4, share: 0.12 }],
      ["b", { quota: 0.4, share: 0.12 }],
      ["wide", wide],
    ]);
    expect(repack(extents)?.placed.size).toBe(3);
  });

  it("places every one of them with its extent, or says that it cannot", () => {
    fc.assert(
      fc.property(fc.array(anyExtent, { maxLength: 12 }), (list) => {
        const extents = new Map(list.map((extent, i) => [`r${i}`, extent]));
        const sheet = repack(extents);
        if (sheet === undefined) return;
        expect(sheet.placed.size).toBe(list.length);
        for (const [name, { quota, share }] of extents) {
          expect(sheet.placed.get(name)).toMatchObject({
            width: Math.round(quota * grainsPerSide),
            height: Math.round(share * grainsPerSide),
          });
        }
      }),
    );
  });

  it("takes any set of columns or of rows whose sides add up to one", () => {
    const anyParts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(anyParts, fc.boolean(), (parts, areColumns) => {
        const sum = parts.reduce((a, b) => a + b);
        const extents = parts.map((part) => {
          // A grain less than the part, as parts of other numbers than a sheet's grains are rounded.
          const side = Math.max(1, Math.floor((part / sum) * grainsPerSide)) / grainsPerSide;
          return areColumns ? { quota: side, share: 1 } : { quota: 1, share: side };
        });
        expect(repack(new Map(extents.map((extent, i) => [`r${i}`, extent])))).toBeDefined();
      }),
    );
  });

  it("refuses more than a whole device; exactly one passes", () => {
    const half = { quota: 0.5, share: 1 };
    expect(
      repack(
        new Map([
          ["a", half],
          ["b", half],
        ]),
      ),
    ).toBeDefined();
    expect(
      repack(
        new Map([
          ["a", half],
          ["b", half],
          ["c", { quota: 0.01, share: 0.01 }],
        ]),
      ),
    ).toBeUndefined();
  });
});
