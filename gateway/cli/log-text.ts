/** Lines of functions' logs for people. They are text of strangers: what a terminal would obey is taken out. */
import type { LogReply } from "./replies.ts";

type Line = Exclude<LogReply, { readonly lost: number }>;

/** `2026-01-02T03:04:05.678Z warn  the message key=value`; further lines of a message stand as they are. */
export function logText(reply: LogReply): string {
  if ("lost" in reply) return `… ${reply.lost} lines were lost, as they came faster than they were read`;
  return `${reply.time} ${messageText(reply)}`;
}

/** `warn  the message key=value` */
export function messageText({ level, message, fields = {} }: Omit<Line, "time">): string {
  const [first = "", ...rest] = message.split("\n");
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${valueText(value)}`);
  return printable([[level.padEnd(5), first, ...pairs].join(" "), ...rest].join("\n"));
}

/** Texts without quotes where they are one word. */
function valueText(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** Without control characters but tabs and line breaks: escape sequences can do more to a terminal than print. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\t\n]|[\u2028-\u202e\u2066-\u2069]/gu, "\ufffd");
}
