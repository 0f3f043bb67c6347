import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** One device, where nothing runs beside anything. */
function oneDevice(): Stage {
  const stage = new Stage(deadline);
  stage.device("a");
  return stage;
}

/** Requests in the order in which they were run. */
function order(stage: Stage): number[] {
  return stage.done.flatMap((one) => (one.type === "run" ? one.requests : []));
}

function startOf(stage: Stage, request: number): number {
  return stage.done.find((one) => one.type === "run" && one.requests.includes(request))!.at;
}

describe("a device with several that wait", () => {
  it("takes the earliest deadline first, then those without one in proportion to their work", () => {
    const stage = oneDevice();
    stage.function("long", {}, { runMs: 100 });
    for (const id of ["f", "g", "h"]) stage.function(id);
    for (const id of ["long", "f", "g", "h"]) stage.call(id);
    stage.until(1_000);
    const before = order(stage).length;
    stage.call("f");
    const late = stage.call("long");
    const second = stage.call("g", { deadline: 2_000 });
    const first = stage.call("h", { deadline: 1_500 });
    const short = stage.call("f");
    stage.until(5_000);
    expect(order(stage).slice(before + 1)).toEqual([short, first, late, second]);
  });

  it("takes what is there before what must come in, and that too though hits keep coming", () => {
    const stage = oneDevice();
    for (const id of ["hit", "miss"]) stage.function(id, { weightBytes: 60 }, { loadMs: 60 });
    stage.call("hit");
    stage.until(100);
    // More than the device can do: from the first on one waits always.
    stage.call("hit");
    const miss = stage.call("miss");
    for (let at = 100; at < 2_000; at += 8) stage.call("hit", { at });
    stage.until(20_000);
    const hits = order(stage).indexOf(miss) - 2;
    expect(hits).toBeGreaterThan(10);
    // It is due 8 × 10 + 16 × 60 ms after it came; a hit due before came before then, and takes 10 ms.
    expect(startOf(stage, miss)).toBeGreaterThan(200);
    expect(startOf(stage, miss)).toBeLessThan(101 + (8 * 10 + 16 * 60) * (10 / 8) + 20);
  });

  it("starves nobody: what comes after a request is due runs after it", () => {
    const call = fc.record({
      fn: fc.constantFrom("f", "g", "slow"),
      afterMs: fc.nat(30),
      deadlineMs: fc.constantFrom(undefined, undefined, -50, 5, 100, 1_000),
    });
    let overtaken = 0;
    fc.assert(
      fc.property(fc.array(call, { minLength: 30, maxLength: 60, size: "max" }), (calls) => {
        const stage = oneDevice();
        for (const id of ["f", "g"]) stage.function(id);
        stage.function("slow", {}, { runMs: 40, loadMs: 30 });
        const cameAt: number[] = [];
        const dueBy: number[] = [];
        let at = 0;
        for (const { fn, afterMs, deadlineMs } of calls) {
          at += afterMs;
          const id = stage.call(fn, { at, ...(deadlineMs !== undefined && { deadline: at + deadlineMs }) });
          cameAt[id] = at;
          // Hopeless at the worst: so long after the deadline, or after it came.
          dueBy[id] =
            deadlineMs === undefined
              ? at + 8 * 70
              : at + Math.max(0, deadlineMs) + Math.max(1_000, 10 * deadlineMs);
        }
        stage.until(100_000);
        const all = order(stage);
        expect(all.length).toBe(calls.length);
        for (const [i, request] of all.entries())
          for (const later of all.slice(i + 1)) {
            if (request > later) overtaken++;
            // What ran first had come before the other was due at the latest.
            expect(cameAt[request]!).toBeLessThanOrEqual(dueBy[later]!);
          }
      }),
      { numRuns: 25, seed: 1 },
    );
    expect(overtaken).toBeGreaterThan(25);
  });

  /** Runs of f and g are known; one of f runs, and another can only be late. */
  function withHopeless() {
    const stage = oneDevice();
    for (const id of ["f", "g"]) stage.function(id);
    for (const id of ["f", "g"]) stage.call(id);
    stage.until(100);
    stage.call("f");
    return { stage, hopeless: stage.call("f", { deadline: 105 }) };
  }

  it("puts what cannot be in time behind what can, and runs it then", () => {
    const { stage, hopeless } = withHopeless();
    const inTime = stage.call("g", { deadline: 150 });
    const none = stage.call("g");
    stage.until(1_000);
    expect(order(stage).slice(3)).toEqual([inTime, none, hopeless]);
  });

  it("has calls of a function wait neither for a hopeless one of it nor behind all that have deadlines", () => {
    const { stage, hopeless } = withHopeless();
    const inTime = stage.call("f", { deadline: 150 });
    const none = stage.call("f");
    for (let i = 0; i < 20; i++) stage.call("f", { at: 110 + 10 * i, deadline: 160 + 10 * i });
    stage.call("g", { at: 310 });
    stage.until(2_000);
    expect(order(stage)[3]).toBe(inTime);
    // Due 8 × 10 ms after it came; others have that many milliseconds less to their deadlines.
    expect(order(stage).indexOf(none)).toBeLessThan(8);
    expect(order(stage).at(-1)).toBe(hopeless);
  });

  it("lets nobody go first by a deadline that has passed", () => {
    const stage = oneDevice();
    for (const id of ["f", "g"]) stage.function(id);
    for (const id of ["f", "g"]) stage.call(id);
    stage.until(10_000);
    stage.call("f");
    const past = stage.call("f", { deadline: 0 });
    const usual = stage.call("g");
    stage.until(20_000);
    expect(order(stage).slice(3)).toEqual([usual, past]);
  });
});

describe("a request that is to be refused if it would be late", () => {
  it("is rejected at once with the time that it would take; one that does not mind is not", () => {
    const stage = oneDevice();
    stage.function("f");
    stage.call("f");
    stage.until(100);
    for (let i = 0; i < 5; i++) stage.call("f", { deadline: 135 });
    const refused = stage.call("f", { deadline: 140, refuseLate: true });
    expect(stage.rejections).toEqual([
      `${refused}: an answer is expected in 60 ms, and was to come within 40 ms`,
    ]);
    expect(stage.done.at(-1)).toMatchObject({ type: "reject", cause: "late", at: 100 });
    stage.call("f", { deadline: 140 });
    stage.call("f", { deadline: 500, refuseLate: true });
    stage.until(1_000);
    expect(stage.rejections.length).toBe(1);
    expect(stage.runs.length).toBe(8);
  });

  it("is refused only where none of the devices would be in time", () => {
    const stage = oneDevice();
    stage.function("f", {}, { loadMs: 10, runMs: 100 });
    stage.call("f");
    stage.until(200);
    stage.call("f");
    stage.call("f", { deadline: 310, refuseLate: true });
    expect(stage.rejections.length).toBe(1);
    stage.device("b");
    stage.call("f", { deadline: 310, refuseLate: true });
    expect(stage.rejections.length).toBe(1);
    expect(stage.runs.at(-1)).toBe("f@b!");
  });
});
