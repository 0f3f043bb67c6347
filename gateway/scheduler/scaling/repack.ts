/**
 * Room for one more rectangle by placing all of a sheet anew. That costs nothing: where a rectangle lies is
 * bookkeeping, as a device enforces quotas and shares and not positions, and no weight moves.
 */
import { type Extent, emptySheet, grainsPerSide, place, type Rectangle, type Sheet } from "./rectangles.ts";

/** Orders that suit different sets: by area, by the longer side, by quota, by share. */
const orders: ReadonlyArray<(extent: Extent) => number> = [
  ({ quota, share }) => quota * share,
  ({ quota, share }) => Math.max(quota, share),
  ({ quota }) => quota,
  ({ share }) => share,
];

/** What sheets had no room for, so that nothing as large is tried there again: many functions ask for the same. */
const refused = new WeakMap<Sheet, Extent[]>();

/** Places where there is room, else all of them anew. Undefined where no order that was tried takes them all. */
export function placeOrRepack(sheet: Sheet, name: string, extent: Extent): Sheet | undefined {
  const tooLarge = refused.get(sheet) ?? [];
  if (tooLarge.some(({ quota, share }) => quota <= extent.quota && share <= extent.share)) return undefined;
  const placed = place(sheet, name, extent) ?? repack(extentsOf(sheet).set(name, extent));
  if (placed === undefined) refused.set(sheet, [...tooLarge, extent]);
  return placed;
}

/** All of them on one empty sheet, largest first in one of four senses; undefined where none of the four succeeds. */
export function repack(extents: ReadonlyMap<string, Extent>): Sheet | undefined {
  let area = 0;
  for (const { quota, share } of extents.values()) area += quota * share;
  // Beyond what rounding to grains can hide there is no hope.
  if (area > 1 + extents.size / grainsPerSide) return undefined;
  for (const order of orders) {
    const sheet = placeAll(sortedBy(extents, order));
    if (sheet !== undefined) return sheet;
  }
  return undefined;
}

function placeAll(extents: ReadonlyArray<readonly [string, Extent]>): Sheet | undefined {
  let sheet: Sheet = emptySheet;
  for (const [name, extent] of extents) {
    const next = place(sheet, name, extent);
    if (next === undefined) return undefined;
    sheet = next;
  }
  return sheet;
}

function sortedBy(extents: ReadonlyMap<string, Extent>, order: (extent: Extent) => number) {
  const area = ({ quota, share }: Extent) => quota * share;
  return [...extents].sort(
    ([nameA, a], [nameB, b]) => order(b) - order(a) || area(b) - area(a) || (nameA < nameB ? -1 : 1),
  );
}

function extentsOf({ placed }: Sheet): Map<string, Extent> {
  return new Map([...placed].map(([name, rectangle]) => [name, extentOf(rectangle)]));
}

function extentOf({ width, height }: Rectangle): Extent {
  return { quota: width / grainsPerSide, share: height / grainsPerSide };
}
