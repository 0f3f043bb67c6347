import { beforeEach, describe, expect, test } from "vitest";
import type { LogLine } from "../../../gateway/handlers/function-logs.ts";
import { LogIntake } from "../../../gateway/handlers/log-intake.ts";
import { maxLogCharacters } from "../../../runtime/isolate/protocol.ts";

let now: number;
let lines: LogLine[];
let intake: LogIntake;

beforeEach(() => {
  now = Date.parse("2026-01-01T00:00:00.000Z");
  lines = [];
  intake = new LogIntake({
    ...{ version: 2, instance: 3, now: () => now },
    positions: async (text) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return text.replace("handler.js:1:2", "handler.ts:3:4");
    },
    write: (line) => lines.push(line),
  });
});
/** Once all that was noted is written. */
const written = async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return lines.map(({ message }) => message);
};

describe("LogIntake", () => {
  test("writes lines in their order, stacks with the bundle's positions", async () => {
    intake.note({ level: "error", message: "Error: x\n    at handler.js:1:2" });
    intake.note({ level: "info", message: "behind it", fields: { n: 1 } });
    expect(await written()).toEqual(["Error: x\n    at handler.ts:3:4", "behind it"]);
    const common = { time: "2026-01-01T00:00:00.000Z", version: 2, instance: 3 };
    expect(lines[1]).toEqual({ ...common, level: "info", message: "behind it", fields: { n: 1 } });
  });

  test("cuts messages and fields that are longer than the library sends them", async () => {
    const long = "x".repeat(maxLogCharacters + 1);
    intake.note({ level: "info", message: long, fields: { long } });
    const longest = "x".repeat(maxLogCharacters);
    intake.note({ level: "info", message: longest, fields: { short: "y" } });
    expect(await written()).toEqual([`${longest}…`, longest]);
    expect(lines[0]!.fields).toEqual({ cut: expect.stringMatching(/^\{"long":"x+…$/) });
    expect(lines[1]!.fields).toEqual({ short: "y" });
  });

  test("leaves out fields that have no JSON", async () => {
    const fields: Record<string, unknown> = {};
    fields.self = fields;
    intake.note({ level: "info", message: "round", fields });
    expect(await written()).toEqual(["round"]);
    expect(lines[0]).not.toHaveProperty("fields");
  });

  test("says how many lines were too many", async () => {
    intake.note({ level: "info", message: "before" });
    intake.dropped(7);
    expect(await written()).toEqual(["before", expect.stringContaining("7 lines are left out")]);
  });

  test("says why an instance ended, and nothing where it was told to", async () => {
    intake.ended();
    intake.ended("it took too long");
    expect(await written()).toEqual(["The instance has ended: it took too long"]);
  });
});
