import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/** One device with the weights of a function whose runs take 100 ms on most of it, and of one of 10 ms on a third. */
function stageWith(largeOccupancy = 0.99) {
  const stage = new Stage(deadline);
  stage.device("a");
  const function_ = (id: string, runMs: number, occupancy: number) => {
    stage.function(id, { occupancy, known: [{ class: "gpu", batch: 1, runMs }] }, { runMs, loadMs: 1 });
    stage.hear({ type: "resident", device: "a", function: id });
  };
  function_("large", 100, largeOccupancy);
  function_("small", 10, 0.3);
  return stage;
}

/** When a small run begins that comes at 20 ms, beside a large one that began at 0. */
function smallBegins(
  deadlines: { readonly large?: number; readonly small?: number },
  largeOccupancy?: number,
): number {
  const stage = stageWith(largeOccupancy);
  stage.call("large", deadlines.large === undefined ? {} : { deadline: deadlines.large });
  stage.call("small", { at: 20, ...(deadlines.small !== undefined && { deadline: deadlines.small }) });
  stage.until(1_000);
  return stage.runTimes[1]!;
}

describe("a run for which there is too little of the device left", () => {
  it("begins at once if it and those that run are in time although all are slower", () => {
    expect(smallBegins({ large: 200, small: 50 })).toBe(20);
    // Nobody has set one: eight times what it takes is soon enough.
    expect(smallBegins({ small: 50 })).toBe(20);
  });

  it("waits if one that runs would be late for it", () => {
    // At 20 ms 80 are left of the large one, which take 103 beside the small one.
    expect(smallBegins({ large: 122, small: 50 })).toBe(100);
    expect(smallBegins({ large: 124, small: 50 })).toBe(20);
  });

  it("does not wait for the sake of one that is late anyway", () => {
    expect(smallBegins({ large: 90, small: 50 })).toBe(20);
  });

  it("waits if it would be late itself, slowed down", () => {
    expect(smallBegins({ large: 500, small: 32 })).toBe(100);
    expect(smallBegins({ large: 500, small: 33 })).toBe(20);
  });

  it("waits where it has no deadline: it would only take from the others what it gains", () => {
    expect(smallBegins({ large: 500 })).toBe(100);
  });

  it("waits for one that fills the device alone", () => {
    expect(smallBegins({ large: 500, small: 50 }, 1)).toBe(100);
  });
});
