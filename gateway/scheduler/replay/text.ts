/** Replays for people: a summary, and steps with what was done in each. */
import { tableLines } from "../../text.ts";
import type { EventLogHeader } from "../core/event-log.ts";
import type { ReadEnding } from "../core/read-event-log.ts";
import { formatDuration } from "../eviction/words.ts";
import type { ReplaySummary } from "./summary.ts";
import type { TrailedStep } from "./trail.ts";

/** A line for the event, and one for each action. */
export function stepLines(step: TrailedStep, header: EventLogHeader): string[] {
  const { number, now, event, eventFunction } = step;
  const named = event.type === "ended" || event.type === "failed" || event.type === "cancelled";
  const whose = named && eventFunction !== undefined ? ` function=${eventFunction}` : "";
  const error = "error" in step ? [`  threw ${String(step.error)}`] : [];
  return [
    `${number}  ${timeText(now, header)}  ${fieldsText(event)}${whose}`,
    ...step.trailed.map(({ action, function: fn }) => {
      const name = action.type === "reject" && fn !== undefined ? ` function=${fn}` : "";
      return `  → ${fieldsText(action)}${name}`;
    }),
    ...error,
  ];
}

/** @param ending as EventLogReader says. */
export function summaryLines(
  summary: ReplaySummary,
  header: EventLogHeader,
  ending: ReadEnding | undefined,
): string[] {
  const { policy, eviction, queueLimit, epoch } = header;
  const { runs, coldRuns, runRequests, requests, loads, waitMs, longestWaits, errors } = summary;
  const told = [
    ...(eviction === undefined ? [] : [`eviction ${eviction}`]),
    ...(queueLimit === undefined ? [] : [`at most ${queueLimit} wait`]),
  ];
  const events = Object.entries(summary.events).map(([type, count]) => `${count} ${type}`);
  return [
    `policy      ${[policy, ...told].join(", ")}`,
    ...(epoch === undefined ? [] : [`clock       begins at ${epoch}`]),
    `span        ${formatDuration(summary.spanMs)}; ${endingText(ending)}`,
    `events      ${events.join(", ") || "none"}`,
    `requests    ${requests}`,
    `runs        ${runs} of ${runRequests} requests, ${coldRuns} of them cold`,
    `loads       ${loads} ahead of requests`,
    ...countLines("evictions", summary.evictions),
    ...countLines("refusals", summary.refusals),
    ...(waitMs === undefined
      ? []
      : [
          `wait        p50 ${msText(waitMs.p50)}, p90 ${msText(waitMs.p90)}, p99 ${msText(waitMs.p99)}, longest ${msText(waitMs.max)}`,
        ]),
    ...openLines(summary.open),
    ...errors.map(({ step, message }) => `threw       ${message}, at step ${step}`),
    ...(longestWaits.length === 0 ? [] : ["", "Longest waits:", ...tableLines(waitRows(longestWaits))]),
  ];
}

function openLines({ running, waiting, oldest }: ReplaySummary["open"]): string[] {
  if (running + waiting === 0) return [];
  const since = oldest && `, request ${oldest.request} of ${oldest.function} for ${msText(oldest.waitMs)}`;
  return [`in the end  ${running} run, ${waiting} wait${since ?? ""}`];
}

function waitRows(waits: ReplaySummary["longestWaits"]): string[][] {
  return [
    ["wait", "request", "function", "device", "step"],
    ...waits.map(({ waitMs, request, function: fn, device, step }) => [
      msText(waitMs),
      ...[String(request), fn, device, String(step)],
    ]),
  ];
}

function countLines(name: string, counts: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(counts);
  const sum = entries.reduce((all, [, count]) => all + count, 0);
  return [`${name.padEnd(12)}${sum}`, ...entries.map(([kind, count]) => `${" ".repeat(12)}${count} ${kind}`)];
}

function endingText(ending: ReadEnding | undefined): string {
  switch (ending) {
    case "stopped":
      return "then the gateway stopped";
    case "full":
      return "then the log was full, and the gateway went on";
    case "behind":
      return "then the disk was too slow for the log, and the gateway went on";
    case "cut":
      return "then the log breaks off amid a line, as in a crash or on a full disk";
    case undefined:
      return "the log has no end, as the gateway runs or was killed";
    default:
      return ending satisfies never;
  }
}

/** `type key=value …`, what is within a field beside the others. */
function fieldsText({ type, ...fields }: { readonly type: string }): string {
  const pairs = Object.entries(fields).flatMap(([key, value]: [string, unknown]) =>
    isPlain(value)
      ? Object.entries(value).map(([inner, one]) => pairText(inner === "id" ? key : inner, one))
      : [pairText(key, value)],
  );
  return [type, ...pairs.filter((pair) => pair !== "")].join(" ");
}

function pairText(key: string, value: unknown): string {
  if (value === undefined) return "";
  const isWord = typeof value === "string" && /^[^\s"=]+$/.test(value);
  return `${key}=${isWord ? value : JSON.stringify(value)}`;
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function timeText(now: number, { epoch }: EventLogHeader): string {
  return epoch === undefined ? `${now.toFixed(3)} ms` : new Date(Date.parse(epoch) + now).toISOString();
}

function msText(ms: number): string {
  return `${ms.toFixed(ms < 100 ? 2 : 0)} ms`;
}
