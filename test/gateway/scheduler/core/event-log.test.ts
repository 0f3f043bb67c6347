import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EventLogHeader, endLine, withEventLog } from "../../../../gateway/scheduler/core/event-log.ts";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { parseEventLog } from "../../../../gateway/scheduler/core/read-event-log.ts";
import { replay } from "../../../../gateway/scheduler/core/replay.ts";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import { lalb } from "../../../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../../../gateway/scheduler/policies/lb.ts";
import { DawnletError } from "../../../../kernels/errors.ts";
import { deviceSpec, functionSpec, requestSpec } from "./specs.ts";

/** One of each, with all that it can have. */
const every: readonly SchedulerEvent[] = [
  {
    type: "function",
    function: {
      id: "f",
      tenant: "acme",
      tenantWeight: 2.5,
      weightBytes: 10,
      deadlineMs: 50,
      batchLimit: 8,
      quota: { request: 0.25, limit: 0.5 },
      occupancy: 0.1,
      isPinned: true,
      keepAliveMs: 90_000,
      priority: -1,
      refusedBy: ["v100"],
      known: [{ class: "h200", batch: 4, runMs: 1 / 3 }],
    },
  },
  { type: "device-up", device: deviceSpec("d", { loadFixedMs: 0.125 }) },
  { type: "budget", device: "d", bytes: 2 ** 40 + 1 },
  {
    type: "arrival",
    request: {
      id: 1,
      function: "f",
      deadline: 77.7,
      refuseLate: true,
      rows: 3,
      batchKey: "1x3",
      device: "d",
    },
  },
  { type: "cancelled", request: 99 },
  { type: "loaded", device: "d", function: "f", loadMs: 3.5 },
  { type: "ended", run: 1, runMs: 2 },
  { type: "arrival", request: requestSpec(2, "f") },
  { type: "failed", run: 2, isRetried: false },
  { type: "load-failed", device: "d", function: "f" },
  { type: "resident", device: "d", function: "f" },
  { type: "evicted", device: "d", function: "f" },
  { type: "wanted", device: "d", function: "f" },
  { type: "unwanted", device: "d", function: "f", reason: "it was not called for 10 minutes" },
  { type: "tick" },
  { type: "device-down", device: "d" },
  { type: "function-removed", function: "f" },
];

function logging(policy: SchedulingPolicy, lines: string[]) {
  return withEventLog(createScheduler(policy), { policy: policy.name }, (line) => void lines.push(line));
}

/** The log of events that came a millisecond after each other, and what was done. */
function logged(events: readonly SchedulerEvent[], policy: SchedulingPolicy = lb) {
  const lines: string[] = [];
  const scheduler = logging(policy, lines);
  const actions = events.map((event, i) => scheduler.step(event, i));
  return { lines, actions };
}

function failure(text: string): DawnletError {
  try {
    parseEventLog(text);
  } catch (error) {
    if (error instanceof DawnletError) return error;
    throw error;
  }
  throw new Error("It was read");
}

describe("an event log", () => {
  it("has a header and a line an event, and is read as it was written", () => {
    const { lines } = logged(every);
    expect(lines[0]).toBe('{"format":"dawnlet-scheduler-events","version":1,"policy":"lb"}\n');
    expect(lines).toHaveLength(every.length + 1);
    for (const line of lines) expect(line.indexOf("\n")).toBe(line.length - 1);
    expect(parseEventLog(lines.join(""))).toEqual({
      header: { policy: "lb" },
      events: every.map((event, now) => ({ now, event })),
      ending: undefined,
    });
  });

  it("says in its header all that the policy was told, and when its clock began", () => {
    const header: EventLogHeader = {
      ...{ policy: "deadline", eviction: "lru", queueLimit: 7 },
      epoch: "2026-01-02T03:04:05.678Z",
    };
    const lines: string[] = [];
    withEventLog(createScheduler(lb), header, (line) => void lines.push(line));
    expect(parseEventLog(lines.join(""))).toEqual({ header, events: [], ending: undefined });
  });

  it.each(["stopped", "full", "behind"] as const)("tells that it has ended as it is '%s'", (ending) => {
    const { lines } = logged(every);
    const log = parseEventLog(lines.join("") + endLine(ending));
    expect(log.ending).toBe(ending);
    expect(log.events).toHaveLength(every.length);
  });

  it("that was cut short, as in a crash, lacks the line that was cut and nothing else", () => {
    const { lines } = logged(every);
    const text = lines.join("");
    const before = text.length - lines.at(-1)!.length;
    for (let end = before + 1; end < text.length - 1; end++) {
      const log = parseEventLog(text.slice(0, end));
      expect(log.ending).toBe("cut");
      expect(log.events).toEqual(parseEventLog(text.slice(0, before)).events);
    }
    expect(parseEventLog(text.slice(0, before)).ending).toBeUndefined();
  });

  it("replays what was done", () => {
    const { lines, actions } = logged(every);
    expect(actions.flat()).not.toEqual([]);
    const steps = [...replay(parseEventLog(lines.join("")), lb)];
    expect(steps).toEqual(every.map((event, now) => ({ now, event, actions: actions[now] })));
  });

  it("may end without the end of its last line", () => {
    const text = logged(every).lines.join("");
    expect(parseEventLog(text.slice(0, -1))).toEqual(parseEventLog(text));
  });

  it("keeps any text and any number as it was", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("__proto__", "", "\n", "\u2028", '"', "\\", "\ud800", "Infinity", "x".repeat(100_000)),
    );
    const numbers = fc.double({ noNaN: true }).map((value) => value + 0);
    fc.assert(
      fc.property(texts, texts, texts, numbers, numbers, (id, tenant, device, budgetBytes, deadlineMs) => {
        const events: SchedulerEvent[] = [
          { type: "function", function: functionSpec(id, { tenant, deadlineMs }) },
          { type: "device-up", device: deviceSpec(device, { budgetBytes }) },
        ];
        expect(parseEventLog(logged(events).lines.join("")).events.map(({ event }) => event)).toEqual(events);
      }),
    );
  });

  it("keeps what is no number, whoever sent that: it is looked for in the log", () => {
    const up: SchedulerEvent = { type: "device-up", device: deviceSpec("d", { budgetBytes: Number.NaN }) };
    expect(parseEventLog(logged([up]).lines.join("")).events).toEqual([{ now: 0, event: up }]);
  });

  it("has the event over which the scheduler stumbled, and it stumbles there again, and goes on as it did", () => {
    const lines: string[] = [];
    const scheduler = logging(lb, lines);
    scheduler.step({ type: "tick" }, 1);
    expect(() => scheduler.step({ type: "ended", run: 5, runMs: 1 }, 2)).toThrow("There is no run 5");
    scheduler.step({ type: "device-up", device: deviceSpec("d") }, 3);
    scheduler.step({ type: "function", function: functionSpec("f") }, 4);
    const actions = scheduler.step({ type: "arrival", request: requestSpec(1, "f") }, 5);
    const steps = [...replay(parseEventLog(lines.join("")), lb)];
    expect(steps[0]).toEqual({ now: 1, event: { type: "tick" }, actions: [] });
    expect(steps[1]).toMatchObject({ now: 2, actions: [], error: new RangeError("There is no run 5") });
    expect(actions).toMatchObject([{ type: "run" }]);
    expect(steps[4]!.actions).toEqual(actions);
  });

  it("is not replayed with another policy than its own", () => {
    const log = parseEventLog(logged(every).lines.join(""));
    expect(() => replay(log, lalb)).toThrow(
      "Cannot replay an event log of 'lb' with 'lalb' as its runs are numbered by what 'lb' did",
    );
    expect([...replay(log, lb)]).toHaveLength(every.length);
  });
});

describe("parseEventLog() names the line that it cannot read:", () => {
  const { lines } = logged(every);
  const withLine = (number: number, line: string) =>
    lines.map((one, i) => (i === number - 1 ? `${line}\n` : one)).join("");

  it.each([
    ["one that is no JSON", 3, '{"now":1,', "it is no JSON"],
    ["an empty one between others", 2, "", "it is no JSON"],
    ["an unknown type", 4, '{"now":1,"event":{"type":"exploded"}}', "event.type is wrong"],
    ["a missing field", 5, '{"now":1,"event":{"type":"budget","device":"d"}}', "event.bytes is wrong"],
    ["a field too many", 2, '{"now":1,"event":{"type":"tick","tock":1}}', "event.tock is wrong"],
    ["a time that is a text", 2, '{"now":"1","event":{"type":"tick"}}', "now is wrong"],
    [
      "no rows",
      5,
      '{"now":1,"event":{"type":"arrival","request":{"id":1,"function":"f","rows":0}}}',
      "rows is wrong",
    ],
    ["something else", 2, "[]", "wrong"],
    ["another format as the header", 1, '{"format":"csv","version":1,"policy":"lb"}', "format is wrong"],
    [
      "a later version as the header",
      1,
      '{"format":"dawnlet-scheduler-events","version":2,"policy":"lb"}',
      "version is wrong",
    ],
  ])("%s", (_, number, line, why) => {
    const error = failure(withLine(number, line));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.details).toEqual({ line: number });
    expect(error.message).toContain(`Cannot read line ${number} of an event log as `);
    expect(error.message).toContain(why);
    expect(parseEventLog(withLine(2, '{"now":1,"event":{"type":"tick"}}')).events).toHaveLength(every.length);
  });

  it("a text without anything", () => {
    expect(failure("").details).toEqual({ line: 1 });
  });

  it("one that was cut short before others", () => {
    const cut = [...lines.slice(0, -2), lines.at(-2)!.slice(0, -5), "\n", lines.at(-1)!];
    expect(failure(cut.join("")).details).toEqual({ line: lines.length - 1 });
  });

  it("a header that was cut short", () => {
    expect(failure(lines[0]!.slice(0, -5)).details).toEqual({ line: 1 });
  });

  it("one after the end", () => {
    const error = failure([...lines, endLine("full"), lines[1]!].join(""));
    expect(error.details).toEqual({ line: lines.length + 2 });
    expect(error.message).toContain("the line before it is the last");
  });
});
