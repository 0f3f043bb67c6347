import { describe, expect, test } from "vitest";
import { slicesOf } from "../../../bench/live/arrivals.ts";
import { arrivalsOf, joined } from "../../../bench/live/play.ts";
import { slicesFor } from "../../../bench/live/settings.ts";
import { latencyFigures } from "../../../bench/live/slices.ts";

describe("slices of calls", () => {
  const arrivals = {
    timesMs: Float64Array.of(1, 5, 10, 12, 29),
    functionOf: Uint32Array.of(0, 1, 2, 3, 4),
    ...{ functions: 5, durationMs: 30 },
  };
  const plain = (slices: ReturnType<typeof slicesOf>) =>
    slices.map(({ timesMs, functionOf }) => ({ times: [...timesMs], functions: [...functionOf] }));

  test("each have theirs, by their own time", () => {
    expect(plain(slicesOf(arrivals, 3))).toEqual([
      { times: [1, 5], functions: [0, 1] },
      { times: [0, 2], functions: [2, 3] },
      { times: [9], functions: [4] },
    ]);
  });

  test("may have none", () => {
    expect(plain(slicesOf({ ...arrivals, durationMs: 60 }, 2))[1]).toEqual({ times: [], functions: [] });
  });

  test("are played by the clock that goes on between them", () => {
    const call = (fn: number, atMs: number) => ({ function: fn, atMs, latencyMs: 1 });
    const slices = [
      { fromMs: 0, played: [call(0, 1)] },
      { fromMs: 100, played: [call(1, 2), call(0, 3)] },
    ];
    const { timesMs, functionOf } = arrivalsOf(joined(slices));
    expect([...timesMs]).toEqual([1, 102, 103]);
    expect([...functionOf]).toEqual([0, 1, 0]);
  });

  test.each([
    [16, 8],
    [5, 3],
    [0.5, 1],
  ])("of %d seconds are %i", (seconds, count) => {
    expect(slicesFor(seconds)).toBe(count);
  });
});

describe("latencies of slices", () => {
  test("are medians, for which one that stood still does not count, and those of all calls", () => {
    const slices = [
      [10, 20],
      [12, 14],
      [300, 500],
    ];
    const all = { allMeanMs: expect.closeTo(856 / 6), allP98Ms: expect.closeTo(480) };
    expect(latencyFigures(slices)).toEqual({ meanMs: 15, p98Ms: expect.closeTo(19.8), ...all });
  });

  test("are those of slices in which there were any", () => {
    expect(latencyFigures([[], [4]])).toEqual({ meanMs: 4, p98Ms: 4, allMeanMs: 4, allP98Ms: 4 });
    const { NaN: none } = Number;
    expect(latencyFigures([[]])).toEqual({ meanMs: none, p98Ms: none, allMeanMs: none, allP98Ms: none });
  });
});
