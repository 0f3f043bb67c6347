/** What a scheduler did, done again from the log of its events. */
import { DawnletError } from "../../../kernels/errors.ts";
import type { SchedulerAction } from "./actions.ts";
import type { TimedEvent } from "./event-schema.ts";
import type { SchedulingPolicy } from "./policy.ts";
import type { EventLog } from "./read-event-log.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";

/** One event, and what was done. */
export interface ReplayedStep extends TimedEvent {
  readonly actions: readonly SchedulerAction[];
  /** What the scheduler threw, and whoever drove it then caught: what came next was done all the same. */
  readonly error?: unknown;
}

/** @param scheduler that has been through all events before this one. */
export function replayStep(scheduler: Scheduler, { now, event }: TimedEvent): ReplayedStep {
  try {
    return { now, event, actions: scheduler.step(event, now) };
  } catch (error) {
    return { now, event, actions: [], error };
  }
}

/**
 * Does again what was done, step by step as it is asked for.
 * @param policy the same as at that time: under another, the runs of the log are other runs.
 * @throws DawnletError INVALID_ARGUMENT where it is another by its name.
 */
export function replay({ header, events }: EventLog, policy: SchedulingPolicy): Iterable<ReplayedStep> {
  if (policy.name !== header.policy)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot replay an event log of '${header.policy}' with '${policy.name}' as its runs are numbered by what '${header.policy}' did`,
    );
  return replaySteps(events, policy);
}

function* replaySteps(events: readonly TimedEvent[], policy: SchedulingPolicy): Generator<ReplayedStep> {
  const scheduler = createScheduler(policy);
  for (const event of events) yield replayStep(scheduler, event);
}
