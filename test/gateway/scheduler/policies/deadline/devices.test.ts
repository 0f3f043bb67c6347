import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadline, deadlineWith } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { Stage } from "../stage.ts";

function withDevices(...ids: readonly string[]): Stage {
  const stage = new Stage(deadline);
  for (const id of ids) stage.device(id);
  return stage;
}

/** Has the function's weights on that device, and all of it idle. */
function warm(stage: Stage, fn: string, device: string): void {
  stage.call(fn, { device });
  stage.until(stage.now + 1_000);
}

describe("a request", () => {
  it("goes where its weights are while waiting there is shorter than loading elsewhere, and not beyond", () => {
    for (const loadMs of [15, 25, 45, 5_000]) {
      const stage = new Stage(deadline);
      for (const id of ["a", "b"]) stage.device(id, { loadBytesPerMs: 60 / loadMs });
      stage.function("f", { weightBytes: 60 }, { loadMs });
      stage.call("f", { device: "b" });
      stage.until(20_000);
      let calls = 0;
      while (calls < 7 && !stage.runs.includes("f@a!")) {
        stage.call("f");
        calls++;
      }
      // The nth is answered after n × 10 ms there, or after a load and a run: none went along with a load so far.
      expect([loadMs, calls]).toEqual([loadMs, Math.min(7, Math.ceil((loadMs + 11) / 10))]);
    }
  });

  it("uses a device that nothing was loaded on yet, as fast as others of its class have turned out to be", () => {
    const used = (classOfB: string) => {
      const stage = new Stage(deadline);
      // Guessed to take a second.
      stage.device("a", { loadBytesPerMs: 0.06 });
      stage.device("b", { loadBytesPerMs: 0.06, class: classOfB });
      stage.function("f", { weightBytes: 60 }, { loadMs: 15 });
      stage.measures = true;
      warm(stage, "f", "a");
      for (let i = 0; i < 3; i++) stage.call("f");
      return stage.runs.includes("f@b!");
    };
    expect(used("gpu")).toBe(true);
    expect(used("another")).toBe(false);
  });

  it("comes in where nobody has to go for it, or who is called least", () => {
    const stage = withDevices("a", "b");
    for (const id of ["hot", "cold", "new"]) stage.function(id, { weightBytes: 60 }, { loadMs: 60 });
    warm(stage, "hot", "a");
    warm(stage, "cold", "b");
    for (let i = 0; i < 20; i++) stage.call("hot", { at: stage.now + 100 * i });
    stage.until(stage.now + 3_000);
    stage.call("new");
    expect(stage.evictions).toEqual(["cold@b"]);
    expect(stage.runs.at(-1)).toBe("new@b!");
    const empty = withDevices("a", "b", "c");
    for (const id of ["hot", "new"]) empty.function(id, { weightBytes: 60 }, { loadMs: 60 });
    warm(empty, "hot", "a");
    empty.call("new");
    expect(empty.evictions).toEqual([]);
  });

  it("leaves a bus that others load from to them where another is free", () => {
    const chosen = (busOfB: string) => {
      const stage = new Stage(deadline);
      stage.device("a", { bus: "one" });
      stage.device("b", { bus: busOfB });
      stage.device("c", { bus: "other" });
      for (const id of ["big", "f"]) stage.function(id, { weightBytes: 60 }, { loadMs: 60 });
      stage.call("big", { device: "a" });
      stage.until(30);
      stage.call("f");
      return stage.runs.at(-1)!;
    };
    expect(chosen("one")).toBe("f@c!");
    expect(["f@b!", "f@c!"]).toContain(chosen("third"));
  });

  it("waits for the device that it is bound to, through its absence, and others do not wait for that", () => {
    const stage = withDevices("a", "b");
    stage.function("f");
    stage.hear({ type: "device-down", device: "a" });
    stage.call("f", { device: "a" });
    stage.call("f");
    stage.until(1_000);
    expect(stage.runs).toEqual(["f@b!"]);
    // Another device comes: nothing for the first one.
    stage.device("c");
    stage.until(2_000);
    expect(stage.runs).toEqual(["f@b!"]);
    stage.device("a");
    stage.until(3_000);
    expect(stage.runs).toEqual(["f@b!", "f@a!"]);
  });

  it("goes elsewhere when its function or its device changes so that it cannot run there", () => {
    const changes = {
      class: (stage: Stage) => stage.function("f", { weightBytes: 60, refusedBy: ["old"] }),
      budget: (stage: Stage) => stage.hear({ type: "budget", device: "a", bytes: 50 }),
      pin: (stage: Stage) => stage.function("g", { weightBytes: 60, isPinned: true }, { runMs: 500 }),
      none: () => {},
    };
    const slow = { class: "new", loadBytesPerMs: 0.1 };
    for (const [what, change] of Object.entries(changes)) {
      const stage = new Stage(deadline);
      stage.device("a", { class: "old" });
      stage.device("b", slow);
      for (const id of ["f", "g"]) stage.function(id, { weightBytes: 60 }, { runMs: 500 });
      stage.call("g", { device: "a" });
      stage.hear({ type: "device-down", device: "b" });
      stage.call("f");
      change(stage);
      stage.device("b", slow);
      stage.until(5_000);
      // Of the old class nothing is known, so the wait there seems short, and the other loads slowly: without a change it
      // is not stolen.
      expect([what, stage.runs[1]]).toEqual([what, what === "none" ? "f@a!" : "f@b!"]);
    }
  });

  it("is turned away where too many wait, with a device or without", () => {
    const stage = new Stage(deadlineWith({ queueLimit: 2 }));
    stage.device("a");
    stage.function("f");
    for (let i = 0; i < 4; i++) stage.call("f");
    expect(stage.rejections).toEqual(["4: 2 requests wait already"]);
    stage.hear({ type: "device-down", device: "a" });
    stage.call("f");
    expect(stage.rejections.length).toBe(2);
  });
});

describe("an idle device", () => {
  it("takes what waits elsewhere where it is answered sooner, and leaves it where not", () => {
    for (const [loadMs, isStolen] of [
      [30, true],
      [5_000, false],
    ] as const) {
      const stage = withDevices("a");
      stage.function("f", {}, { loadMs: 20, runMs: 100 });
      warm(stage, "f", "a");
      for (let i = 0; i < 10; i++) stage.call("f");
      stage.device("b", { loadBytesPerMs: 10 / loadMs });
      stage.until(stage.now + 20_000);
      expect(stage.runs.some((one) => one.startsWith("f@b"))).toBe(isStolen);
      expect(stage.runs.length).toBe(11);
    }
  });
});

describe("weights", () => {
  const calls = (stage: Stage, fn: string, everyMs: number) => {
    const from = stage.now;
    for (let at = 0; at < 60_000; at += everyMs) stage.call(fn, { at: from + at });
    stage.until(from + 60_000);
  };
  const copies = (stage: Stage) => stage.done.flatMap((one) => (one.type === "load" ? [one] : []));

  it("that are in demand are copied to where there is room, and others are not", () => {
    const stage = withDevices("a", "b");
    for (const id of ["busy", "calm"]) stage.function(id, {}, { runMs: 30 });
    calls(stage, "calm", 10_000);
    expect(copies(stage)).toEqual([]);
    calls(stage, "busy", 100);
    expect(copies(stage).map((one) => one.function)).toEqual(["busy"]);
    expect(stage.evictions).toEqual([]);
    expect(stage.scheduler.cluster.function("busy").holders.size).toBe(2);
  });

  it("are not copied where somebody would have to go", () => {
    const full = withDevices("a", "b");
    full.function("busy", { weightBytes: 60 }, { runMs: 30 });
    full.function("other", { weightBytes: 60 }, { runMs: 30 });
    warm(full, "busy", "a");
    warm(full, "other", "b");
    calls(full, "busy", 100);
    expect(copies(full)).toEqual([]);
  });
});

describe("devices that come and go in the middle of everything", () => {
  it("lose no request, run none twice, and all end once devices are there", () => {
    const change = fc.record({ at: fc.nat(2_000), device: fc.constantFrom("b", "c"), isUp: fc.boolean() });
    const call = fc.record({ at: fc.nat(2_000), fn: fc.constantFrom("f", "g", "h") });
    let returned = 0;
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 5, maxLength: 10 }),
        fc.array(call, { minLength: 40, maxLength: 80, size: "max" }),
        (changes, callsOfAll) => {
          const stage = new Stage(deadline);
          const up = (id: string) =>
            stage.device(id, { bus: id === "c" ? "own" : "shared", budgetBytes: 100 });
          for (const id of ["a", "b", "c"]) up(id);
          for (const id of ["f", "g", "h"])
            stage.function(id, { weightBytes: 50 }, { loadMs: 50, runMs: 20 });
          const moves = [
            ...changes.map((one) => ({ ...one, fn: undefined })),
            ...callsOfAll.map((one) => ({ ...one, device: undefined, isUp: false })),
          ].toSorted((x, y) => x.at - y.at);
          for (const { at, device, isUp, fn } of moves) {
            stage.until(at);
            if (fn !== undefined) stage.call(fn);
            else if (isUp) up(device);
            else stage.hear({ type: "device-down", device });
          }
          stage.until(60_000);
          // The stage lets the runs of a lost device end.
          const ran = stage.done.flatMap((one) => (one.type === "run" ? one.requests : []));
          expect(ran.toSorted((x, y) => x - y)).toEqual(callsOfAll.map((_, i) => i + 1));
          expect(stage.scheduler.cluster.requests.size).toBe(0);
          returned += changes.filter(({ isUp }) => !isUp).length;
        },
      ),
      { numRuns: 30 },
    );
    expect(returned).toBeGreaterThan(30);
  });
});
