/** What a handler says: lines of its log, by `ctx.log` and by `console`, as notes to the gateway. */
import type { Port } from "../port/port.ts";
import { LogBudget, logLines } from "./log-budget.ts";
import { type LogLevel, maxLogCharacters, type Note } from "./protocol.ts";

export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** What stands for the module in stacks: the gateway puts the bundle's own files in its place (source-positions.ts). */
const moduleName = "handler.js";
/** Node and Deno name modules of a data URL by it; Deno leaves the middle out. */
const moduleUrl = /data:text\/javascript;base64,[A-Za-z0-9+/=.]*/g;

/** @param channel for notes. */
export function noteLog(channel: Port): Log {
  const send = (note: Note): void => channel.send({ header: note, attachments: [] });
  const budget = new LogBudget({
    ...logLines,
    onDropped: (lines) =>
      send({ type: "log", level: "warn", message: `${lines} lines were dropped: this logs too much` }),
  });
  return (level, message, fields) => {
    if (!budget.take()) return;
    const text = cut(message, maxLogCharacters);
    const plain = fields === undefined ? undefined : plainFields(fields);
    const note: Note = { type: "log", level, message: text, ...(plain && { fields: plain }) };
    send(note);
  };
}

const consoleLevels: Readonly<Record<string, LogLevel>> = {
  debug: "debug",
  trace: "debug",
  log: "info",
  info: "info",
  dir: "info",
  table: "info",
  warn: "warn",
  error: "error",
};

/** A `console` whose lines go to the log. What else a console has does nothing. */
export function logConsole(log: Log): Console {
  const methods: Record<string, (...values: unknown[]) => void> = {};
  for (const [name, level] of Object.entries(consoleLevels))
    methods[name] = (...values) => log(level, values.map(show).join(" "));
  methods.assert = (holds, ...values) => {
    if (!holds) log("error", ["Assertion failed", ...values.map(show)].join(" "));
  };
  const nothing = (): void => {};
  for (const name of [
    "time",
    "timeEnd",
    "timeLog",
    "count",
    "countReset",
    "group",
    "groupCollapsed",
    "groupEnd",
  ])
    methods[name] = nothing;
  return methods as unknown as Console;
}

/** A value for people: strings as they are, errors with their stacks, all else as JSON where it has one. */
export function show(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return showError(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** With its stack, whose frames name the module shortly. */
export function showError(error: Error): string {
  return String(error.stack ?? `${error.name}: ${error.message}`).replace(moduleUrl, moduleName);
}

function plainFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  try {
    const json = JSON.stringify(fields);
    if (json.length <= maxLogCharacters) return JSON.parse(json);
    return { cut: cut(json, maxLogCharacters) };
  } catch {
    return undefined;
  }
}

function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters)}…`;
}
