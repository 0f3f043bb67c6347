/**
 * A scheduler's events as lines of JSON: a header, one `{now, event}` a line, as they came, and an end that says why there
 * are no more. A scheduler does the same for the same events, so a log is enough to see again what it did, and why
 * (read-event-log.ts, replay.ts). Nothing here opens a file: lines go to a sink.
 */
import { type TimedEvent, withEndlessNumbers } from "./event-schema.ts";
import type { Scheduler } from "./scheduler.ts";

/** The policy that is at work, and what it was told: enough to put it together again. */
export interface LoggedPolicy {
  readonly policy: string;
  /** Name of the eviction policy by which it chooses who leaves. Left out: its own way. */
  readonly eviction?: string;
  /** Requests that may wait. Left out: as many as the policy says. */
  readonly queueLimit?: number;
}

export interface EventLogHeader extends LoggedPolicy {
  /** When the clock of the events was at 0; ISO 8601. Left out: they are of no clock that people have. */
  readonly epoch?: string;
}

/** Why a log has no more lines. One without an end is of a process that was killed, or still runs. */
export const logEndings = [
  /** Whoever drove the scheduler has stopped. */
  "stopped",
  /** It has as many bytes as it may. */
  "full",
  /** Lines came faster than they could be written. */
  "behind",
] as const;

export type LogEnding = (typeof logEndings)[number];

/** Takes one line, with its end. */
export type LineSink = (line: string) => void;

export const logFormat = "dawnlet-scheduler-events";
export const logVersion = 1;

/** A scheduler that writes down what it hears, before it acts: what it stumbles over is the last line. */
export function withEventLog(scheduler: Scheduler, header: EventLogHeader, sink: LineSink): Scheduler {
  sink(`${JSON.stringify({ format: logFormat, version: logVersion, ...header })}\n`);
  return {
    cluster: scheduler.cluster,
    step(event, now) {
      sink(`${JSON.stringify({ now, event } satisfies TimedEvent, withEndlessNumbers)}\n`);
      return scheduler.step(event, now);
    },
  };
}

/** The last line of a log. */
export function endLine(ending: LogEnding): string {
  return `${JSON.stringify({ end: ending })}\n`;
}
