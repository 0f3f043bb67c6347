import { describe, expect, it } from "vitest";
import {
  Alpha,
  highCount,
  isCompliant,
  requiredRequests,
  score,
  updatesPerAdaptation,
} from "../../../../gateway/scheduler/policies/required-requests.ts";
import { simpleSwap, torpor, torporWith } from "../../../../gateway/scheduler/policies/torpor.ts";
import { Stage } from "./stage.ts";

describe("the required request count", () => {
  it("is how many requests on time make up for those that were not", () => {
    expect(requiredRequests({ ended: 100, onTime: 98, latencyMs: 0 })).toBeCloseTo(0);
    expect(requiredRequests({ ended: 100, onTime: 97, latencyMs: 0 })).toBeCloseTo(50);
    expect(requiredRequests({ ended: 100, onTime: 100, latencyMs: 0 })).toBeCloseTo(-100);
    // (97 + 50) / (100 + 50) = 0.98
    expect(isCompliant({ ended: 149, onTime: 146, latencyMs: 0 })).toBe(false);
    expect(isCompliant({ ended: 150, onTime: 147, latencyMs: 0 })).toBe(true);
  });

  it("counts for more where requests take longer", () => {
    expect(score({ ended: 100, onTime: 97, latencyMs: 2_000 })).toBeCloseTo(20 * 50);
    expect(score({ ended: 0, onTime: 0, latencyMs: 0 })).toBe(0);
  });
});

describe("highCount()", () => {
  const scores = [-300, -1, 10, 20, 70];

  it("takes all where alpha is 1", () => {
    expect(highCount(scores, 1)).toBe(5);
  });

  it("takes the smallest within alpha of the sum of the positive ones", () => {
    expect(highCount(scores, 0.5)).toBe(4);
    expect(highCount(scores, 0.29)).toBe(3);
    expect(highCount(scores, 0.05)).toBe(2);
  });
});

describe("alpha", () => {
  const adapted = (alpha: Alpha, part: number): number => {
    for (let i = 0; i < updatesPerAdaptation; i++) alpha.updated(part);
    return alpha.value;
  };

  it("halves where 4 % fewer functions are compliant than at the last large step", () => {
    const alpha = new Alpha();
    expect(adapted(alpha, 0.9)).toBe(1);
    expect(adapted(alpha, 0.85)).toBe(0.5);
    expect(adapted(alpha, 0.8)).toBe(0.25);
  });

  it("creeps up by 1 % where little has changed, and doubles where 4 % more are compliant", () => {
    const alpha = new Alpha();
    adapted(alpha, 0.9);
    adapted(alpha, 0.5);
    expect(adapted(alpha, 0.51)).toBeCloseTo(0.505);
    expect(adapted(alpha, 0.52)).toBe(1);
  });

  it("changes every 20 updates only", () => {
    const alpha = new Alpha();
    adapted(alpha, 0.9);
    for (let i = 1; i < updatesPerAdaptation; i++) alpha.updated(0.1);
    expect(alpha.value).toBe(1);
    alpha.updated(0.1);
    expect(alpha.value).toBe(0.5);
  });
});

describe("torpor", () => {
  it("has one request of a function in flight, though devices are idle", () => {
    const stage = new Stage(torpor);
    stage.device("a");
    stage.device("b");
    stage.function("f");
    stage.function("g");
    stage.call("f");
    stage.call("f");
    expect(stage.runs).toEqual(["f@a!"]);
    stage.call("g");
    expect(stage.runs).toEqual(["f@a!", "g@b!"]);
    stage.until(20);
    expect(stage.runs).toEqual(["f@a!", "g@b!", "f@a"]);
  });

  it("serves the function first that needs most requests on time", () => {
    const stage = new Stage(torpor);
    stage.device("a");
    stage.function("late", { deadlineMs: 1 });
    stage.function("timely", { deadlineMs: 1_000 });
    stage.function("other");
    stage.call("late");
    stage.until(20);
    stage.call("timely");
    stage.until(40);
    stage.call("other");
    stage.call("timely");
    stage.call("late");
    stage.until(1_000);
    expect(stage.runs).toEqual(["late@a!", "timely@a!", "other@a!", "late@a", "timely@a"]);
  });

  it("serves by arrival as an ablation", () => {
    const stage = new Stage(torporWith("fifo", { queue: "fifo" }));
    stage.device("a");
    stage.function("late", { deadlineMs: 1 });
    stage.function("timely", { deadlineMs: 1_000 });
    stage.call("late");
    stage.until(20);
    stage.call("timely");
    stage.call("timely");
    stage.call("late");
    stage.until(1_000);
    expect(stage.runs).toEqual(["late@a!", "timely@a!", "timely@a", "late@a"]);
  });

  it("prefers an idle holder, whatever else is idle", () => {
    const stage = new Stage(torpor);
    for (const id of ["a", "b"]) stage.device(id);
    stage.function("f");
    stage.function("g");
    stage.call("f");
    stage.until(20);
    stage.call("g");
    stage.call("f");
    expect(stage.runs).toEqual(["f@a!", "g@b!", "f@a"]);
  });

  it("loads where the neighbour on the bus does not load, next where it loads something light", () => {
    const stage = new Stage(torpor);
    for (const id of ["a1", "a2"]) stage.device(id, { bus: "a" });
    for (const id of ["b1", "b2"]) stage.device(id, { bus: "b" });
    const heavy = { weightBytes: 50 };
    stage.function("heavy", heavy, { loadMs: 50 });
    stage.function("light", { weightBytes: 5 }, { loadMs: 5, runMs: 50 });
    for (const id of ["x", "y"]) stage.function(id, {}, { runMs: 1 });
    stage.call("heavy");
    stage.call("light");
    stage.call("x");
    stage.call("y");
    expect(stage.runs).toEqual(["heavy@a1!", "light@b1!", "x@b2!", "y@a2!"]);
  });

  it("evicts what is light or held elsewhere before what is heavy and held nowhere else", () => {
    const stage = new Stage(torpor);
    stage.device("a", { budgetBytes: 60 });
    stage.function("heavy", { weightBytes: 40 }, { loadMs: 40 });
    stage.function("light", { weightBytes: 5 }, { loadMs: 5, runMs: 10 });
    stage.function("new", { weightBytes: 20 }, { loadMs: 20 });
    stage.call("heavy");
    stage.until(100);
    stage.call("light");
    stage.until(200);
    stage.call("new");
    expect(stage.evictions).toEqual(["light@a"]);
    const lruStage = new Stage(simpleSwap);
    lruStage.device("a", { budgetBytes: 60 });
    lruStage.function("heavy", { weightBytes: 40 }, { loadMs: 40 });
    lruStage.function("light", { weightBytes: 5 }, { loadMs: 5, runMs: 10 });
    lruStage.function("new", { weightBytes: 20 }, { loadMs: 20 });
    lruStage.call("heavy");
    lruStage.until(100);
    lruStage.call("light");
    lruStage.until(200);
    lruStage.call("new");
    expect(lruStage.evictions).toEqual(["heavy@a"]);
  });

  it("puts off functions that need most, once there is too much to do for all", () => {
    const stage = new Stage(torpor);
    stage.device("a");
    // Both are compliant when alpha is first set. Then one is late always, one a few times: alpha halves.
    for (const id of ["hopeless", "hurt"]) stage.function(id, { deadlineMs: 25 });
    for (let at = 0; at < 42_000; at += 100) {
      stage.call("hopeless", { at });
      stage.call("hurt", { at: at + 50 });
    }
    stage.until(42_000);
    for (let at = 42_000; at < 84_000; at += 100) {
      stage.call("hopeless", { at, deadline: at });
      stage.call("hurt", { at: at + 50, ...(at < 42_900 && { deadline: at }) });
    }
    stage.until(84_000);
    const before = stage.runs.length;
    stage.function("third");
    stage.call("third");
    stage.call("hopeless");
    stage.call("hurt");
    stage.until(85_000);
    expect(stage.runs.slice(before)).toEqual(["third@a!", "hurt@a", "hopeless@a"]);
  });
});
