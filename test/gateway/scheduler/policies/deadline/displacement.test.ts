import { describe, expect, it } from "vitest";
import { deadline } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

/**
 * A device with weights of 60 and of 10 bytes, the small ones called a little more often, and a neighbour on its bus that
 * brings something in every `everyMs`. Then 40 bytes are wanted there, of which 10 are free.
 */
function whoGoes(everyMs: number): string[] {
  const stage = new Stage(deadline);
  stage.device("a", { bus: "shared", budgetBytes: 100 });
  stage.device("b", { bus: "shared", budgetBytes: 20 });
  const small = ["s0", "s1", "s2"];
  stage.function("large", { weightBytes: 60 }, { loadMs: 60 });
  for (const id of small) stage.function(id);
  stage.function("new", { weightBytes: 40 }, { loadMs: 40 });
  for (const id of ["x", "y"]) stage.function(id, { weightBytes: 15 }, { loadMs: 15 });
  for (let at = 0; at < 20_000; at += 50) {
    if (at % everyMs === 0) stage.call((at / everyMs) % 2 === 0 ? "x" : "y", { at, device: "b" });
    const i = (at % 1_000) / 100;
    if (i < small.length && Number.isInteger(i)) stage.call(small[i]!, { at, device: "a" });
    if (at % 1_000 === 500 && at % 4_000 !== 500) stage.call("large", { at, device: "a" });
  }
  stage.until(20_000);
  const before = stage.evictions.length;
  stage.call("new", { device: "a" });
  return stage.evictions.slice(before).toSorted();
}

describe("who leaves a device", () => {
  it("is who is called least for its bytes while nobody waits for the bus", () => {
    expect(whoGoes(20_000)).toEqual(["large@a"]);
  });

  it("is who comes in fast where others would wait for a long load", () => {
    expect(whoGoes(50)).toEqual(["s0@a", "s1@a", "s2@a"]);
  });
});
