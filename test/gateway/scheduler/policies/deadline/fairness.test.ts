import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** Two tenants with a function each; their weights are there. */
function twoTenants(
  weights: readonly [number, number] = [1, 1],
  runMs: readonly [number, number] = [10, 10],
): Stage {
  const stage = new Stage(deadline);
  stage.device("a");
  for (const [i, id] of ["f", "g"].entries()) {
    stage.function(id, { tenant: `tenant of ${id}`, tenantWeight: weights[i]! }, { runMs: runMs[i]! });
    stage.call(id);
    stage.until(1_000 * (i + 1));
  }
  return stage;
}

function startsOf(stage: Stage, fn: string, from: number): number[] {
  return stage.done.flatMap((one) =>
    one.type === "run" && one.function === fn && one.at >= from ? [one.at] : [],
  );
}

describe("tenants", () => {
  it("one that floods a device delays another's calls until they are due or it is ahead by the grace, however old its backlog is", () => {
    const stage = twoTenants();
    for (let i = 0; i < 500; i++) stage.call("f");
    const at = [...Array(40).keys()].map((i) => 2_100 + 50 * i);
    for (const one of at) stage.call("g", { at: one });
    stage.until(10_000);
    const starts = startsOf(stage, "g", 2_000);
    // Due 8 × 10 ms after they came; then whoever is more than 50 ms ahead comes after them.
    const waits = starts.map((start, i) => start - at[i]!);
    expect(starts.length).toBe(40);
    expect(Math.max(...waits)).toBeLessThanOrEqual(Math.max(50, 8 * 10) + 10 + 10);
  });

  it("of one tenant the same calls wait for the flood", () => {
    const stage = new Stage(deadline);
    stage.device("a");
    for (const id of ["f", "g"]) {
      stage.function(id);
      stage.call(id);
    }
    stage.until(2_000);
    for (let i = 0; i < 500; i++) stage.call("f");
    stage.call("g", { at: 2_100 });
    stage.until(10_000);
    expect(startsOf(stage, "g", 2_000)[0]!).toBeGreaterThan(6_000);
  });

  it("that want more than there is get shares by their weights, to within the grace and a run of each", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 5),
        fc.constantFrom(1, 3),
        fc.constantFrom(5, 10, 40),
        fc.constantFrom(5, 20),
        (fWeight, gWeight, fMs, gMs) => {
          const stage = twoTenants([fWeight, gWeight], [fMs, gMs]);
          for (let i = 0; i < 200; i++) for (const id of ["f", "g"]) stage.call(id);
          // Both still wait: the slower total is over 200 × 5 ms for each.
          for (const at of [2_100, 2_300, 2_600]) {
            stage.until(at);
            const got = (id: string, ms: number, weight: number) =>
              (startsOf(stage, id, 2_000).length * ms) / weight;
            const lead = Math.abs(got("f", fMs, fWeight) - got("g", gMs, gWeight));
            // What differs in due times comes on top: 8 times the difference of the runs.
            expect(lead).toBeLessThanOrEqual(50 + 8 * Math.abs(fMs - gMs) + fMs / fWeight + gMs / gWeight);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("do not save up what they did not use", () => {
    const stage = twoTenants();
    for (let i = 0; i < 300; i++) stage.call("f");
    // After two seconds of f alone, g comes with as much.
    stage.until(4_000);
    for (let i = 0; i < 300; i++) stage.call("g");
    stage.until(5_000);
    const [f, g] = ["f", "g"].map((id) => startsOf(stage, id, 4_000).length);
    expect(f! + g!).toBeGreaterThanOrEqual(100);
    expect(Math.abs(f! - g!)).toBeLessThanOrEqual((50 + 8 * 10 + 20) / 10);
  });

  it("that wait for a device which is down do not put others ahead of everybody", () => {
    const stage = twoTenants();
    stage.device("b");
    stage.function("h", { tenant: "tenant of h" });
    stage.hear({ type: "device-down", device: "b" });
    stage.call("h", { device: "b" });
    for (let i = 0; i < 200; i++) stage.call("f");
    stage.until(4_000);
    stage.function("late", { tenant: "a new one" });
    for (let i = 0; i < 100; i++) for (const id of ["f", "late"]) stage.call(id);
    stage.until(5_000);
    expect(startsOf(stage, "f", 4_000).length).toBeGreaterThan(40);
    expect(startsOf(stage, "late", 4_000).length).toBeGreaterThan(40);
  });

  it("are counted with their requests, though a function changes hands while those wait", () => {
    const stage = twoTenants();
    for (let i = 0; i < 30; i++) stage.call("g");
    stage.function("g", { tenant: "tenant of f" });
    stage.until(3_000);
    stage.function("g", { tenant: "tenant of g" });
    for (let i = 0; i < 300; i++) stage.call("f");
    for (let i = 0; i < 300; i++) stage.call("g");
    stage.until(4_000);
    const [f, g] = ["f", "g"].map((id) => startsOf(stage, id, 3_000).length);
    expect(Math.abs(f! - g!)).toBeLessThanOrEqual(15);
  });
});
