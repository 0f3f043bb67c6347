import { describe, expect, test } from "vitest";
import { FunctionLogs, type LogLine } from "../../../gateway/handlers/function-logs.ts";

const line = (message: string, level: LogLine["level"] = "info"): LogLine => ({
  ...{ time: "2026-01-01T00:00:00.000Z", level, version: 1, instance: 1 },
  message,
});
const messages = (lines: readonly LogLine[]) => lines.map(({ message }) => message);
const f = { name: "f" };

/** Of lines without fields, as they are counted. */
const bytesOf = (characters: number) => 200 + 2 * characters;

describe("FunctionLogs.tail()", () => {
  test("gives the last lines of at least a level, oldest first", () => {
    const logs = new FunctionLogs();
    for (const [index, level] of (["debug", "info", "warn", "error"] as const).entries())
      logs.add(f, line(`${index}`, level));
    expect(messages(logs.tail(f, 10))).toEqual(["0", "1", "2", "3"]);
    expect(messages(logs.tail(f, 2))).toEqual(["2", "3"]);
    expect(messages(logs.tail(f, 10, "warn"))).toEqual(["2", "3"]);
    expect(logs.tail(f, 0)).toEqual([]);
    expect(logs.tail({ name: "g" }, 10)).toEqual([]);
  });

  test("tells functions of the same name apart by whose they are", () => {
    const logs = new FunctionLogs();
    logs.add({ name: "f", tenant: "acme" }, line("acme's"));
    logs.add(f, line("the operator's"));
    expect(messages(logs.tail({ name: "f", tenant: "acme" }, 10))).toEqual(["acme's"]);
    expect(messages(logs.tail(f, 10))).toEqual(["the operator's"]);
    expect(logs.tail({ name: "f", tenant: "beta" }, 10)).toEqual([]);
  });
});

describe("FunctionLogs.add()", () => {
  test("keeps so many lines and bytes of a function, the last ones", () => {
    const logs = new FunctionLogs({ lines: 3, functionBytes: 2 * bytesOf(100), totalBytes: 10 ** 6 });
    for (const name of ["a", "b", "c", "d"]) logs.add(f, line(name));
    expect(messages(logs.tail(f, 10))).toEqual(["b", "c", "d"]);
    logs.add(f, line("x".repeat(100)));
    expect(messages(logs.tail(f, 10))).toEqual(["d", "x".repeat(100)]);
    logs.add(f, { ...line("fields"), fields: { text: "y".repeat(1000) } });
    expect(logs.tail(f, 10)).toEqual([]);
  });

  test("keeps so many bytes in all: who has most loses lines, others lose none", () => {
    const totalBytes = 10 * bytesOf(10);
    const logs = new FunctionLogs({ lines: 100, functionBytes: totalBytes, totalBytes });
    const quiet = { name: "quiet" };
    logs.add(quiet, line("quiet line"));
    for (let index = 0; index < 1000; index++) logs.add(f, line(`line ${10_000 + index}`));
    expect(messages(logs.tail(quiet, 10))).toEqual(["quiet line"]);
    const kept = messages(logs.tail(f, 100));
    expect(kept.at(-1)).toBe("line 10999");
    expect(kept.length).toBeGreaterThan(3);
    expect(kept.length).toBeLessThan(10);
  });
});

test("who follows gets the lines of the function from then on, until it goes", () => {
  const logs = new FunctionLogs();
  const seen: string[] = [];
  const ended: string[] = [];
  logs.add(f, line("before"));
  const follow = (name: string, owner = f) =>
    logs.follow(owner, {
      line: ({ message }) => seen.push(`${name} ${message}`),
      end: () => ended.push(name),
    });
  const first = follow("first");
  follow("second");
  follow("other", { name: "other" });
  logs.add(f, line("one"));
  first[Symbol.dispose]();
  logs.add(f, line("two"));
  expect(seen).toEqual(["first one", "second one", "second two"]);
  logs.remove(f);
  expect(ended).toEqual(["second"]);
  expect(logs.tail(f, 10)).toEqual([]);
  logs.add(f, line("of another function"));
  expect(seen).toHaveLength(3);
  logs.close();
  follow("late");
  expect(ended).toEqual(["second", "other", "late"]);
});
