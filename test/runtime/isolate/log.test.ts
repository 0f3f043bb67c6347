/** What handlers say, as it leaves their process. */
import { expect, test } from "vitest";
import { logConsole, noteLog, show } from "../../../runtime/isolate/log.ts";
import { maxLogCharacters, type Note } from "../../../runtime/isolate/protocol.ts";
import type { Message, Port } from "../../../runtime/port/port.ts";

function notes() {
  const sent: Note[] = [];
  const port = { send: ({ header }: Message) => sent.push(header as Note) } as unknown as Port;
  return { sent, log: noteLog(port) };
}

test("a line has level, text and fields", () => {
  const { sent, log } = notes();
  log("warn", "slow", { ms: 7, nested: { a: [1] } });
  log("info", "plain");
  expect(sent).toEqual([
    { type: "log", level: "warn", message: "slow", fields: { ms: 7, nested: { a: [1] } } },
    { type: "log", level: "info", message: "plain" },
  ]);
});

test("long lines and large fields are cut, and fields that are no JSON are left out", () => {
  const { sent, log } = notes();
  log("info", "x".repeat(maxLogCharacters + 1), { large: "y".repeat(maxLogCharacters) });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log("info", "circle", circle);
  const [long, circular] = sent as Extract<Note, { type: "log" }>[];
  expect(long!.message).toHaveLength(maxLogCharacters + 1);
  expect(JSON.stringify(long!.fields).length).toBeLessThan(maxLogCharacters + 20);
  expect(circular).toEqual({ type: "log", level: "info", message: "circle" });
});

test("the console logs by its levels, and asserts", () => {
  const { sent, log } = notes();
  const console = logConsole(log);
  console.log("a", 1, { b: 2 });
  console.error(new TypeError("wrong"));
  console.assert(sent.length > 0, "not this");
  console.assert(false, "but this");
  console.time("ignored");
  expect(sent.map((note) => note.type === "log" && [note.level, note.message.split("\n")[0]])).toEqual([
    ["info", 'a 1 {"b":2}'],
    ["error", "TypeError: wrong"],
    ["error", "Assertion failed but this"],
  ]);
});

test("whatever is shown has a text", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  expect(show(new Float32Array(3))).toBe("Float32Array(12 bytes)");
  expect(show(undefined)).toBe("undefined");
  expect(show(7n)).toBe("7");
  expect(show(cyclic)).toEqual(expect.any(String));
});
