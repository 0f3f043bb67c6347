import { describe, expect, it } from "vitest";
import { type Call, score } from "../../../bench/density/score.ts";

function calls(index: number, inTime: number, late: number, extra: Partial<Call> = {}): readonly Call[] {
  return Array.from({ length: inTime + late }, (_, i) => ({
    function: index,
    atMs: i * 10,
    latencyMs: i < inTime ? 5 : 50,
    wasResident: true,
    ...extra,
  }));
}

describe("score()", () => {
  it("counts a function with 98 % of its calls in time, and not one with a call fewer", () => {
    expect(score(calls(0, 98, 2), [20]).functionsMeetingDeadline).toBe(1);
    expect(score(calls(0, 97, 3), [20]).functionsMeetingDeadline).toBe(0);
    expect(score([...calls(0, 98, 2), ...calls(1, 9, 1)], [20, 20])).toMatchObject({
      functionsCalled: 2,
      functionsMeetingDeadline: 1,
    });
  });

  it("holds each function to its own deadline", () => {
    const both = [...calls(0, 0, 10), ...calls(1, 0, 10)];
    expect(score(both, [20, 60]).functionsMeetingDeadline).toBe(1);
  });

  it("takes a failed call for late, and leaves it out of the latencies", () => {
    const all = [...calls(0, 10, 0), ...calls(0, 1, 0, { latencyMs: undefined, wasResident: false })];
    expect(score(all, [20])).toMatchObject({
      ...{ calls: 11, failed: 1, functionsMeetingDeadline: 0, p50Ms: 5, p98Ms: 5 },
      hitRate: 10 / 11,
    });
    expect(score(calls(0, 10, 0), [20])).toMatchObject({ failed: 0, functionsMeetingDeadline: 1 });
  });

  it("counts calls a second until the last answer", () => {
    const all = [...calls(0, 10, 0), ...calls(0, 1, 0, { atMs: 195 })];
    expect(score(all, [20]).callsPerSecond).toBeCloseTo(11 / 0.2);
  });

  it("has no latencies where nothing was answered", () => {
    const none = score(calls(0, 2, 0, { latencyMs: undefined }), [20]);
    expect(none).toMatchObject({ failed: 2, callsPerSecond: 0, p50Ms: Number.NaN });
  });
});
