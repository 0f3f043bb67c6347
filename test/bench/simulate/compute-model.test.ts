import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ComputeModel } from "../../../bench/simulate/compute-model.ts";
import { Timeline } from "./schedule.ts";

interface Job {
  readonly at: number;
  readonly runMs: number;
  readonly occupancy: number;
  readonly isCut?: boolean;
  readonly returnMs?: number;
}

const oneByOne = 0;
const together = Number.POSITIVE_INFINITY;

/** When each ended. */
function play(fullFrom: number, jobs: readonly Job[]): { ends: number[]; model: ComputeModel } {
  const timeline = new Timeline();
  const model = new ComputeModel(fullFrom, timeline.schedule);
  const ends = jobs.map(() => Number.NaN);
  for (const [i, { at, runMs, ...job }] of jobs.entries())
    timeline.schedule(at, () => {
      const done = () => {
        ends[i] = timeline.now;
      };
      model.add(timeline.now, { leftMs: runMs, ...job, done });
    });
  timeline.run();
  return { ends, model };
}

describe("ComputeModel", () => {
  it("runs one after another without sharing in space, however little they fill", () => {
    const jobs = [0, 0, 5].map((at) => ({ at, runMs: 10, occupancy: 0.1 }));
    expect(play(oneByOne, jobs).ends).toEqual([10, 20, 30]);
  });

  it("runs side by side as fast as alone what fits together", () => {
    const jobs = [0, 3].map((at) => ({ at, runMs: 10, occupancy: 0.5 }));
    expect(play(together, jobs).ends).toEqual([10, 13]);
  });

  it("has wait what comes to a device that is full, where that keeps an order of its own", () => {
    const jobs = [0.6, 0.6, 0.4, 0.4].map((occupancy) => ({ at: 0, runMs: 10, occupancy }));
    // The first two fill 1.2 of it, and are slowed down by that.
    expect(play(1, jobs).ends.map((end) => Math.round(end * 1e6) / 1e6)).toEqual([12, 12, 22, 22]);
  });

  it("computes the next while one comes back, and is not busy with that", () => {
    const jobs = [0, 0].map((at) => ({ at, runMs: 10, returnMs: 4, occupancy: 1 }));
    const { ends, model } = play(oneByOne, jobs);
    expect(ends).toEqual([14, 24]);
    expect(model.busyMs).toBe(20);
  });

  it("lets others in between what it cuts, one after another, and cuts one after another", () => {
    const cut = { occupancy: 1, isCut: true };
    const jobs = [
      { at: 0, runMs: 100, ...cut },
      { at: 0, runMs: 10, ...cut },
      { at: 20, runMs: 10, occupancy: 1 },
      { at: 20, runMs: 10, occupancy: 1 },
    ];
    // The short ones have half of the device each in its turn, from 20 to 60, in which the first gets 20 done.
    expect(play(oneByOne, jobs).ends).toEqual([120, 130, 40, 60]);
  });

  it("slows down alike what does not fit: two that fill the device take twice as long", () => {
    // Alone for 5 ms, then at half speed: the first has 5 left, which take 10; the second has 5 left then, and is alone.
    const jobs = [0, 5].map((at) => ({ at, runMs: 10, occupancy: 1 }));
    expect(play(together, jobs).ends).toEqual([15, 20]);
  });

  it("slows down by what is too much: 0.8 and 0.7 go at two thirds of their speed", () => {
    const [first, second] = play(together, [
      { at: 0, runMs: 10, occupancy: 0.8 },
      { at: 0, runMs: 20, occupancy: 0.7 },
    ]).ends;
    expect(first).toBeCloseTo(15, 9);
    expect(second).toBeCloseTo(25, 9);
  });

  it.each([oneByOne, 1, together])("does exactly the work that it was given (full from %d)", (fullFrom) => {
    const job = fc.record({
      at: fc.double({ min: 0, max: 100, noNaN: true }),
      runMs: fc.double({ min: 0.1, max: 50, noNaN: true }),
      occupancy: fc.double({ min: 0.05, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(job, { minLength: 1, maxLength: 20 }), (jobs) => {
        const { ends, model } = play(fullFrom, jobs);
        const work = jobs.reduce((sum, { runMs, occupancy }) => sum + runMs * occupancy, 0);
        expect(model.filledMs).toBeCloseTo(work, 3);
        expect(model.busyMs).toBeGreaterThanOrEqual(work - 1e-3);
        for (const [i, { at, runMs }] of jobs.entries())
          expect(ends[i]! - at).toBeGreaterThanOrEqual(runMs - 1e-3);
        expect(model.idleMs(200_000)).toBeCloseTo(200_000 - model.busyMs, 3);
      }),
    );
  });
});
