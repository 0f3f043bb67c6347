/**
 * When a function's calls are to run, beside others': the keys of `function.json` for it, and what a client may set later.
 * gateway/scheduler obeys them.
 */
import * as v from "valibot";

const maxDeadlineMs = 24 * 3_600_000;

const share = v.pipe(
  v.number(),
  v.gtValue(0, "expected more than 0"),
  v.maxValue(1, "expected at most 1: all of a device's time"),
);

const deadline = v.pipe(
  v.number(),
  v.gtValue(0, "expected more than 0 milliseconds"),
  v.maxValue(maxDeadlineMs, `expected at most ${maxDeadlineMs} milliseconds`),
);
const quota = v.pipe(
  v.strictObject(
    { request: share, limit: share },
    "expected an object with 'request' and 'limit', parts of a device's time, and nothing else",
  ),
  v.check(({ request, limit }) => request <= limit, "expected a request of at most the limit"),
);

/** Entries of a manifest's schema. */
export const scheduleSettingsEntries = {
  /** Milliseconds from the arrival of a call to its answer, for calls that state none. */
  deadlineMs: v.exactOptional(deadline),
  /** Parts of each device's time: what it can count on, and what it may take. */
  quota: v.exactOptional(quota),
};

/** Entries of a change: `null` takes a setting back to what the bundle says. */
export const scheduleSettingsPatchEntries = {
  deadlineMs: v.exactOptional(v.nullable(deadline)),
  quota: v.exactOptional(v.nullable(quota)),
};

/** Of models; WGSL runs on no CPU. */
export const modelScheduleSettingsEntries = {
  ...scheduleSettingsEntries,
  /** False: never on a CPU lane, whose outputs are not bit by bit those of a GPU. */
  cpu: v.exactOptional(v.boolean()),
};

export const scheduleSettingsSchema = v.object(modelScheduleSettingsEntries);

export type ScheduleSettings = v.InferOutput<typeof scheduleSettingsSchema>;

/** What holds for the calls of a function. */
export interface CallSchedule {
  /** For calls that state none. Null: as soon as can be. */
  readonly deadlineMs: number | null;
  /** Null: what the others leave, and all where they leave it. */
  readonly quota: NonNullable<ScheduleSettings["quota"]> | null;
}

export function callSchedule({ deadlineMs, quota }: ScheduleSettings = {}): CallSchedule {
  return { deadlineMs: deadlineMs ?? null, quota: quota ?? null };
}

/** Only the keys that are settings of when it runs: a manifest has others. Undefined where there are none. */
export function statedScheduleSettings({
  deadlineMs,
  quota,
  cpu,
}: ScheduleSettings): ScheduleSettings | undefined {
  if (deadlineMs === undefined && quota === undefined && cpu === undefined) return undefined;
  return {
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(quota && { quota }),
    ...(cpu !== undefined && { cpu }),
  };
}
