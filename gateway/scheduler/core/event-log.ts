/**
 * A scheduler's events as lines of JSON: after a header `{format, version, policy}` one `{now, event}` a line, as they
 * came. A scheduler does the same for the same events, so a log is enough to see again what it did, and why. Nothing
 * here opens a file: lines go to a sink, a text comes from the caller.
 */
import * as v from "valibot";
import { DawnletError } from "../../../kernels/errors.ts";
import type { SchedulerAction } from "./actions.ts";
import { type TimedEvent, timedEventSchema, withEndlessNumbers } from "./event-schema.ts";
import type { SchedulingPolicy } from "./policy.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";

export interface EventLog {
  /** Name of the policy that was at work: runs have the numbers that it gave. */
  readonly policy: string;
  readonly events: readonly TimedEvent[];
}

/** One event, and what was done. */
export interface ReplayedStep extends TimedEvent {
  readonly actions: readonly SchedulerAction[];
}

/** Takes one line, with its end. */
export type LineSink = (line: string) => void;

const format = "dawnlet-scheduler-events";
const version = 1;

/**
 * A scheduler that writes down what it hears, before it acts: what it stumbles over is the last line.
 * @param policy name of the scheduler's.
 * @throws RangeError in `step`, where a number of the event is NaN; nothing was done then.
 */
export function withEventLog(scheduler: Scheduler, policy: string, sink: LineSink): Scheduler {
  sink(`${JSON.stringify({ format, version, policy })}\n`);
  return {
    cluster: scheduler.cluster,
    step(event, now) {
      sink(`${JSON.stringify({ now, event } satisfies TimedEvent, withEndlessNumbers)}\n`);
      return scheduler.step(event, now);
    },
  };
}

/** @throws DawnletError INVALID_ARGUMENT naming the line, which its detail `line` has as well; the first is 1. */
export function parseEventLog(text: string): EventLog {
  const [first = "", ...lines] = text.split("\n");
  const { policy } = parseLine(headerSchema, first, 1);
  // After the end of the last line there is nothing.
  if (lines.at(-1) === "") lines.pop();
  return { policy, events: lines.map((line, i) => parseLine(timedEventSchema, line, i + 2)) };
}

/**
 * Does again what was done, step by step as it is asked for.
 * @param policy the same as at that time: under another, the runs of the log are other runs.
 * @throws DawnletError INVALID_ARGUMENT where it is another by its name.
 * @throws RangeError where the scheduler did, at the same event.
 */
export function replay(log: EventLog, policy: SchedulingPolicy): Iterable<ReplayedStep> {
  if (policy.name !== log.policy)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot replay an event log of '${log.policy}' with '${policy.name}' as its runs are numbered by what '${log.policy}' did`,
    );
  return replaySteps(log, policy);
}

const headerSchema = v.object({
  format: v.literal(format),
  version: v.literal(version),
  policy: v.string(),
});

function* replaySteps({ events }: EventLog, policy: SchedulingPolicy): Generator<ReplayedStep> {
  const scheduler = createScheduler(policy);
  for (const { now, event } of events) yield { now, event, actions: scheduler.step(event, now) };
}

function parseLine<T>(schema: v.GenericSchema<unknown, T>, line: string, number: number): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw badLine(number, "it is no JSON", cause);
  }
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw badLine(number, `${v.getDotPath(issue) ?? "it"} is wrong: ${issue.message}`);
}

function badLine(line: number, why: string, cause?: unknown): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read line ${line} of an event log as ${why}`, {
    cause,
    details: { line },
  });
}
