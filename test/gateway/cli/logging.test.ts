import { getLogger, reset } from "@logtape/logtape";
import { afterEach, expect, test } from "vitest";
import { startLogging } from "../../../gateway/cli/logging.ts";

afterEach(() => reset());

/** With what a terminal obeys: colours, its title, the cursor, the direction of text. */
const hostile = "a\u001b[31mb\u001b]0;title\u0007c\rd\u009be\u202ef";

test.each([true, false])(
  "lines give what functions say without what a terminal obeys (colours: %s)",
  async (isInteractive) => {
    const lines: string[] = [];
    const terminal = { out() {}, err: (line: string) => lines.push(line), status() {}, isInteractive };
    await startLogging(terminal, { log: "text", logLevel: "info" });
    const log = getLogger(["dawnlet", "function"]);
    log.info("{name} says: {message}", { name: "f", message: hostile, other: 1 });
    log.info("it is {value}", { value: new Error(hostile) });
    expect(lines).toHaveLength(2);
    for (const line of lines)
      for (const obeyed of ["\u001b[31mb", "\u001b]", "\u0007", "\r", "\u009b", "\u202e"])
        expect(line).not.toContain(obeyed);
    expect(lines[0]).toContain("f says: a\ufffd[31mb\ufffd]0;title\ufffdc\ufffdd\ufffde\ufffdf");
    // The control: colours of the line itself are there for a terminal.
    expect(lines[0]!.includes("\u001b[")).toBe(isInteractive);
  },
);
