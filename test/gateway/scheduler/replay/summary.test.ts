import { describe, expect, it } from "vitest";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import { replayStep } from "../../../../gateway/scheduler/core/replay.ts";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import { namedPolicy } from "../../../../gateway/scheduler/policies/named-policy.ts";
import { kindOf, SummaryCount } from "../../../../gateway/scheduler/replay/summary.ts";
import { stepLines, summaryLines } from "../../../../gateway/scheduler/replay/text.ts";
import { isMeant, Trail } from "../../../../gateway/scheduler/replay/trail.ts";
import { deviceSpec, functionSpec, requestSpec } from "../core/specs.ts";

const arrival = (id: number, fn: string): SchedulerEvent => ({
  type: "arrival",
  request: requestSpec(id, fn),
});

/** Two functions that do not fit a device for one, and what goes wrong. */
const life: readonly (readonly [now: number, event: SchedulerEvent])[] = [
  [0, { type: "device-up", device: deviceSpec("d", { budgetBytes: 10 }) }],
  [0, { type: "function", function: functionSpec("f@1/1") }],
  [0, { type: "function", function: functionSpec("g@1/2") }],
  [10, arrival(1, "f@1/1")],
  [12, arrival(2, "g@1/2")],
  [20, { type: "loaded", device: "d", function: "f@1/1" }],
  // Runs again: the device was lost.
  [30, { type: "device-down", device: "d" }],
  [30, { type: "failed", run: 1, isRetried: true }],
  [40, { type: "device-up", device: deviceSpec("d", { budgetBytes: 10 }) }],
  [50, { type: "loaded", device: "d", function: "f@1/1" }],
  [60, { type: "ended", run: 2, runMs: 9 }],
  [70, { type: "loaded", device: "d", function: "g@1/2" }],
  [75, arrival(3, "f@1/1")],
  [76, { type: "cancelled", request: 3 }],
  [77, arrival(4, "h@1/3")],
  [78, { type: "ended", run: 77, runMs: 1 }],
  [80, { type: "ended", run: 3, runMs: 9 }],
];

const header = { policy: "deadline", queueLimit: 5 };

function played(wanted?: string, upTo = life.length) {
  const scheduler = createScheduler(namedPolicy(header));
  const trail = new Trail();
  const count = new SummaryCount(wanted);
  const steps = life
    .slice(0, upTo)
    .map(([now, event]) => trail.follow(replayStep(scheduler, { now, event })));
  for (const step of steps) count.add(step);
  return { summary: count.summary(trail.open()), steps };
}

describe("a summary", () => {
  it("counts what happened, and how long requests waited", () => {
    const { summary } = played();
    expect(summary).toMatchObject({
      ...{ requests: 4, runs: 3, runRequests: 3, coldRuns: 3, loads: 0, spanMs: 80 },
      evictions: { "costs least for its size": 1 },
      refusals: { unknown: 1 },
      errors: [{ step: 16, message: "RangeError: There is no run 77" }],
      waitMs: { p50: 30, p90: 48, max: 48 },
    });
    expect(summary.events).toMatchObject({ arrival: 4, loaded: 3, "device-up": 2, cancelled: 1 });
    expect(summary.longestWaits).toEqual([
      { waitMs: 48, request: 2, function: "g@1/2", device: "d", step: 11 },
      { waitMs: 30, request: 1, function: "f@1/1", device: "d", step: 9 },
      { waitMs: 0, request: 1, function: "f@1/1", device: "d", step: 4 },
    ]);
    expect(summary.open).toEqual({ running: 0, waiting: 0, oldest: undefined });
  });

  it("tells who still ran and who still waited in the end", () => {
    const { summary } = played(undefined, 6);
    const oldest = { waitMs: 8, request: 2, function: "g@1/2" };
    expect(summary.open).toEqual({ running: 1, waiting: 1, oldest });
    expect(summaryLines(summary, header, "cut")).toContain(
      "in the end  1 run, 1 wait, request 2 of g@1/2 for 8.00 ms",
    );
    expect(played("f", 6).summary.open).toEqual({ running: 1, waiting: 0, oldest: undefined });
  });

  it("is of one function where one is asked for", () => {
    const { summary } = played("g");
    expect(summary).toMatchObject({ requests: 1, runs: 1, evictions: {}, refusals: {}, errors: [] });
    expect(summary.events).toEqual({ function: 1, arrival: 1, loaded: 1, ended: 1 });
    expect(played("f@1").summary.evictions).toEqual({ "costs least for its size": 1 });
    expect(played("h").summary.refusals).toEqual({ unknown: 1 });
  });

  it("is read by people", () => {
    expect(summaryLines(played().summary, header, undefined)).toEqual([
      "policy      deadline, at most 5 wait",
      "span        80 ms; the log has no end, as the gateway runs or was killed",
      "events      4 arrival, 3 loaded, 3 ended, 2 device-up, 2 function, 1 device-down, 1 failed, 1 cancelled",
      "requests    4",
      "runs        3 of 3 requests, 3 of them cold",
      "loads       0 ahead of requests",
      "evictions   1",
      "            1 costs least for its size",
      "refusals    1",
      "            1 unknown",
      "wait        p50 30.00 ms, p90 48.00 ms, p99 48.00 ms, longest 48.00 ms",
      "threw       RangeError: There is no run 77, at step 16",
      "",
      "Longest waits:",
      "wait      request  function  device  step",
      "48.00 ms  2        g@1/2     d       11",
      "30.00 ms  1        f@1/1     d       9",
      "0.00 ms   1        f@1/1     d       4",
    ]);
  });
});

it("a step tells whose the numbers in it are", () => {
  const { steps } = played();
  expect(stepLines(steps[10]!, header)).toEqual([
    "11  60.000 ms  ended run=2 runMs=9 function=f@1/1",
    expect.stringMatching(
      /^ {2}→ evict device=d function=f@1\/1 reason="costs least .*; 'g@1\/2' comes in"$/,
    ),
    "  → run run=3 device=d function=g@1/2 requests=[2] isCold=true",
  ]);
  expect(stepLines(steps[13]!, header)).toEqual(["14  76.000 ms  cancelled request=3 function=f@1/1"]);
  expect(stepLines(steps[15]!, header)).toEqual([
    "16  78.000 ms  ended run=77 runMs=1",
    "  threw RangeError: There is no run 77",
  ]);
  const [line] = stepLines(steps[3]!, { ...header, epoch: "2026-01-02T03:04:05.678Z" });
  expect(line).toBe("4  2026-01-02T03:04:05.688Z  arrival request=1 function=f@1/1");
});

it.each([
  ["least recently used: idle for 41.2 s; 'g@1/2' comes in", "least recently used"],
  [
    "nobody has called it for 12 min, and its next call is expected in 5.1 h or later",
    "nobody has called it for …",
  ],
  ["its worker makes place for one of 'g 7'", "its worker makes place for one of …"],
  ["1.2e-7 calls a second need no such part of it", "… calls a second need no such part of it"],
])("'%s' is of the kind '%s'", (reason, kind) => {
  expect(kindOf(reason)).toBe(kind);
});

it("a function is meant by its name, its version or its id, and by no part of them", () => {
  for (const wanted of ["f", "f@1", "f@1/2"]) expect(isMeant("f@1/2", wanted)).toBe(true);
  for (const wanted of ["f@1/", "f@", "", "@1/2"]) expect(isMeant("f@1/2", wanted)).toBe(false);
  expect(isMeant("f@12/1", "f@1")).toBe(false);
  expect(isMeant("ff@1/2", "f")).toBe(false);
  expect(isMeant(undefined, "f")).toBe(false);
});
