/** Extents for property tests, and what the tests know of areas by other ways than the code that they test. */
import fc from "fast-check";
import {
  type Extent,
  grainsPerSide,
  overlaps,
  type Rectangle,
} from "../../../../gateway/scheduler/scaling/rectangles.ts";

const anySide = fc.oneof(
  fc.constantFrom(0.06, 0.12, 0.2, 0.24, 0.4, 0.5, 0.6, 0.8, 1),
  fc.integer({ min: 1, max: 64 }).map((lanes) => lanes / 64),
);

export const anyExtent: fc.Arbitrary<Extent> = fc.record({ quota: anySide, share: anySide });

/** Of the union, in square grains: by the cells between all edges. */
export function unionArea(rectangles: readonly Rectangle[]): number {
  const edges = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b);
  const xs = edges(rectangles.flatMap(({ left, width }) => [left, left + width]));
  const ys = edges(rectangles.flatMap(({ bottom, height }) => [bottom, bottom + height]));
  let area = 0;
  for (const [i, left] of xs.slice(0, -1).entries()) {
    for (const [j, bottom] of ys.slice(0, -1).entries()) {
      const cell = { left, bottom, width: xs[i + 1]! - left, height: ys[j + 1]! - bottom };
      if (rectangles.some((one) => overlaps(one, cell))) area += cell.width * cell.height;
    }
  }
  return area;
}

/** Whether it could be a grain larger to some side without leaving the sheet or meeting one of the others. */
export function growsFreely(one: Rectangle, others: readonly Rectangle[]): boolean {
  const grown = [
    { ...one, left: one.left - 1, width: one.width + 1 },
    { ...one, width: one.width + 1 },
    { ...one, bottom: one.bottom - 1, height: one.height + 1 },
    { ...one, height: one.height + 1 },
  ];
  return grown.some(
    (larger) =>
      larger.left >= 0 &&
      larger.bottom >= 0 &&
      larger.left + larger.width <= grainsPerSide &&
      larger.bottom + larger.height <= grainsPerSide &&
      !others.some((other) => overlaps(larger, other)),
  );
}
