import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Arrivals,
  type CallSource,
  callsByFunction,
  gatherArrivals,
  mergeArrivals,
  mergeSources,
} from "../../../bench/traces/arrivals.ts";

/** Few different ones, so that many are the same. */
const anyTimes = fc.array(fc.integer({ min: 0, max: 50 })).map((times) => Float64Array.from(times).sort());

function sourceOf(times: Float64Array): CallSource {
  let next = 0;
  return () => times[next++] ?? Infinity;
}

function sorted(rows: readonly Float64Array[], endMs: number): [number, number][] {
  return rows
    .flatMap((times, index) => Array.from(times, (at): [number, number] => [at, index]))
    .filter(([at]) => at < endMs)
    .sort(([a, i], [b, j]) => a - b || i - j);
}

const pairs = ({ timesMs, functionOf }: Arrivals) =>
  Array.from(timesMs, (at, i): [number, number] => [at, functionOf[i]!]);

describe("gatherArrivals()", () => {
  it("has what all sources give before the end, in the order of time, then of functions", () => {
    fc.assert(
      fc.property(fc.array(anyTimes, { maxLength: 20 }), fc.integer({ min: 0, max: 60 }), (rows, endMs) => {
        const arrivals = gatherArrivals(rows.map(sourceOf), endMs);
        expect(pairs(arrivals)).toEqual(sorted(rows, endMs));
        expect(arrivals.functions).toBe(rows.length);
        const counts = rows.map((times) => times.filter((at) => at < endMs).length);
        expect([...callsByFunction(arrivals)]).toEqual(counts);
      }),
    );
  });
});

describe("mergeSources()", () => {
  it("hands over a block before sources that never end do, and goes on where it was", () => {
    const everySecond = (phase: number): CallSource => {
      let at = phase - 1000;
      return () => {
        at += 1000;
        return at;
      };
    };
    const blocks = mergeSources([everySecond(0), everySecond(500)], Infinity);
    let expected = 0;
    for (let count = 0; count < 3; count++) {
      const { timesMs, functionOf } = blocks.next().value!;
      expect(timesMs.length).toBeGreaterThan(1_000);
      for (const [i, at] of timesMs.entries()) {
        if (at !== expected || functionOf[i] !== (at / 500) % 2) expect.fail(`call ${i} comes at ${at}`);
        expected += 500;
      }
    }
  });

  it("gives no block where there is no call", () => {
    expect([...mergeSources([], 1_000)]).toEqual([]);
    expect([...mergeSources([() => 1_000], 1_000)]).toEqual([]);
    expect([...mergeSources([sourceOf(Float64Array.of(999))], 1_000)]).toHaveLength(1);
  });
});

describe("mergeArrivals()", () => {
  it("has the calls of both, in the order of time", () => {
    const anyRows = fc.array(anyTimes, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(anyRows, anyRows, (first, second) => {
        const merged = mergeArrivals(
          gatherArrivals(first.map(sourceOf), 60),
          gatherArrivals(second.map(sourceOf), 60),
        );
        const inOrder = pairs(merged).sort(([a, i], [b, j]) => a - b || i - j);
        const rows = first.map((times, i) => Float64Array.of(...times, ...second[i]!).sort());
        expect(inOrder).toEqual(sorted(rows, 60));
        expect([...merged.timesMs]).toEqual(inOrder.map(([at]) => at));
      }),
    );
  });

  it("keeps how long calls took where both know, and drops it where one does not", () => {
    const one: Arrivals = {
      ...{ timesMs: Float64Array.of(1, 3), functionOf: Uint32Array.of(0, 1), functions: 2, durationMs: 4 },
      tookMs: Float64Array.of(10, 30),
    };
    const other: Arrivals = {
      ...{ timesMs: Float64Array.of(1, 2), functionOf: Uint32Array.of(1, 1), functions: 2, durationMs: 9 },
      tookMs: Float64Array.of(11, 20),
    };
    const merged = mergeArrivals(one, other);
    expect([...merged.tookMs!]).toEqual([10, 11, 20, 30]);
    expect([...merged.functionOf]).toEqual([0, 1, 1, 1]);
    expect(merged.durationMs).toBe(9);
    const { tookMs: _, ...unknown } = other;
    expect(mergeArrivals(one, unknown).tookMs).toBeUndefined();
  });
});
