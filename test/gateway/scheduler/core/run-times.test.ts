import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assumedRunMs, RunTimes } from "../../../../gateway/scheduler/core/run-times.ts";

/** Rows and milliseconds, in the order of measurement. */
const measurements = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 99 })), {
  minLength: 1,
  maxLength: 60,
});
const shares = fc.constantFrom(0, 0.5, 0.9, 1);

function timesOf(measured: readonly (readonly [number, number])[]): RunTimes {
  const times = new RunTimes();
  for (const [rows, runMs] of measured) times.measured(rows, runMs);
  return times;
}

/** By rows, the last 16 of each. */
function quantileOf(measured: readonly (readonly [number, number])[], rows: number, p: number): number {
  const sorted = measured
    .filter(([of]) => of === rows)
    .map(([, runMs]) => runMs)
    .slice(-16)
    .sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!;
}

describe("RunTimes", () => {
  it("has the quantiles of each size that was measured", () => {
    fc.assert(
      fc.property(measurements, shares, (measured, p) => {
        const times = timesOf(measured);
        for (const [rows] of measured) {
          expect(times.quantile(rows, p)).toBe(quantileOf(measured, rows, p));
          expect(times.median(rows)).toBe(quantileOf(measured, rows, 0.5));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("assumes that more rows take longer, as far as measurements do not say otherwise", () => {
    fc.assert(
      fc.property(measurements, shares, (measured, p) => {
        const times = timesOf(measured.toSorted(([, a], [, b]) => a - b).map(growing));
        for (let rows = 1; rows < 20; rows++)
          expect(times.quantile(rows, p)).toBeLessThanOrEqual(times.quantile(rows + 1, p) + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it("infers what was never measured from what was on either side", () => {
    const times = timesOf([
      [2, 10],
      [6, 14],
    ]);
    // As the smallest; on the line between; in proportion to the largest.
    expect([1, 2, 3, 5, 6, 12].map((rows) => times.median(rows))).toEqual([10, 10, 11, 13, 14, 28]);
  });

  it("never infers less for a batch than for its smaller neighbour, nor more than for its larger", () => {
    const times = timesOf([
      [1, 10],
      [8, 12],
    ]);
    for (let rows = 1; rows <= 8; rows++) {
      expect(times.median(rows)).toBeGreaterThanOrEqual(10);
      expect(times.median(rows)).toBeLessThanOrEqual(12);
    }
  });

  it("infers anew once something was measured", () => {
    const times = timesOf([[4, 8]]);
    expect(times.median(2)).toBe(8);
    times.measured(1, 2);
    expect(times.median(2)).toBe(4);
    times.measured(2, 3);
    expect(times.median(2)).toBe(3);
  });

  it("assumes something while nothing is known, believes a profile until it has measured", () => {
    const times = new RunTimes();
    expect([times.isMeasured(2), times.median(3)]).toEqual([false, 3 * assumedRunMs]);
    times.know(2, 7);
    expect([times.isMeasured(2), times.median(2)]).toEqual([true, 7]);
    times.measured(2, 5);
    times.know(2, 100);
    expect(times.median(2)).toBe(5);
    times.measured(4, 9);
    expect([...times.known()]).toEqual([
      [2, 5],
      [4, 9],
    ]);
  });
});

/** Larger batches got the longer times. */
function growing(
  [, runMs]: readonly [number, number],
  index: number,
  all: readonly (readonly [number, number])[],
): readonly [number, number] {
  const rows = all.map(([of]) => of).sort((a, b) => a - b);
  return [rows[index]!, runMs];
}
