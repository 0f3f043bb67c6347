/** Logs of `dawnlet serve`: lines for people or JSON lines, on stderr. */
import {
  configure,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogLevel,
} from "@logtape/logtape";
import { printable } from "./log-text.ts";
import type { Terminal } from "./terminal.ts";

export const logForms = ["text", "json"] as const;
export const logLevels = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

export interface LogOptions {
  /** Left out: text on a terminal, JSON elsewhere. */
  readonly log?: (typeof logForms)[number] | undefined;
  readonly logLevel: (typeof logLevels)[number];
}

export async function startLogging(terminal: Terminal, { log, logLevel }: LogOptions): Promise<void> {
  const isText = log === undefined ? terminal.isInteractive : log === "text";
  const options = { timestamp: "time", value: plainValue } as const;
  const textFormatter = terminal.isInteractive ? getAnsiColorFormatter(options) : getTextFormatter(options);
  const format = isText ? textFormatter : getJsonLinesFormatter();
  await configure({
    reset: true,
    sinks: { stderr: (record) => terminal.err(format(record).trimEnd()) },
    loggers: [
      { category: ["dawnlet"], sinks: ["stderr"], lowestLevel: logLevel },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "warning" },
    ],
  });
}

/** Texts without quotes, and nothing that a terminal would obey: some of them are strangers'. */
function plainValue(value: unknown, inspect: (value: unknown) => string): string {
  return printable(typeof value === "string" ? value : inspect(value));
}
