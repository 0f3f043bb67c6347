/** The gateway's log as `dawnlet dev` shows it: requests as they are answered, and what it warns of. */
import { configure, getTextFormatter, type LogRecord } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { printable } from "./log-text.ts";
import type { Terminal } from "./terminal.ts";

export async function startDevLog(terminal: Terminal): Promise<void> {
  const format = getTextFormatter({ timestamp: "none" });
  const warn = (record: LogRecord): void => terminal.err(printable(format(record).trimEnd()));
  await configure({
    reset: true,
    sinks: {
      warnings: warn,
      http(record) {
        const line = requestText(record);
        if (line !== undefined) terminal.out(line);
        else if (!isOfHandler(record)) warn(record);
      },
    },
    loggers: [
      { category: ["dawnlet"], sinks: ["warnings"], lowestLevel: "warning" },
      { category: ["dawnlet", "http"], sinks: ["http"], parentSinks: "override", lowestLevel: "info" },
      // Said by who deploys, and in the functions' own logs.
      {
        category: ["dawnlet", "gateway"],
        sinks: ["warnings"],
        parentSinks: "override",
        lowestLevel: "error",
      },
      {
        category: ["dawnlet", "functions"],
        sinks: ["warnings"],
        parentSinks: "override",
        lowestLevel: "error",
      },
      { category: ["dawnlet", "function"], sinks: [], parentSinks: "override", lowestLevel: "fatal" },
      { category: ["logtape", "meta"], sinks: ["warnings"], lowestLevel: "warning" },
    ],
  });
}

/** `GET /function/x/ 200 12.3 ms`, with the code of an error. Undefined for records that are of no request's end. */
function requestText({ properties }: LogRecord): string | undefined {
  const { method, path, status, durationMs, code } = properties;
  if (typeof durationMs !== "number") return undefined;
  const parts = [method, path, status, ...(code === undefined ? [] : [code]), `${durationMs.toFixed(1)} ms`];
  return printable(parts.join(" "));
}

function isOfHandler({ properties: { error } }: LogRecord): boolean {
  return error instanceof DawnletError && error.code === "FUNCTION_FAILED";
}
