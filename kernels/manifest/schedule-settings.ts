/** When a function's calls are to run, beside others': the keys of `function.json` for it. gateway/scheduler obeys them. */
import * as v from "valibot";

const maxDeadlineMs = 24 * 3_600_000;

const share = v.pipe(
  v.number(),
  v.gtValue(0, "expected more than 0"),
  v.maxValue(1, "expected at most 1: all of a device's time"),
);

/** Entries of a manifest's schema. */
export const scheduleSettingsEntries = {
  /** Milliseconds from the arrival of a call to its answer, for calls that state none. */
  deadlineMs: v.exactOptional(
    v.pipe(
      v.number(),
      v.gtValue(0, "expected more than 0 milliseconds"),
      v.maxValue(maxDeadlineMs, `expected at most ${maxDeadlineMs} milliseconds`),
    ),
  ),
  /** Parts of each device's time: what it can count on, and what it may take. */
  quota: v.exactOptional(
    v.pipe(
      v.strictObject({ request: share, limit: share }),
      v.check(({ request, limit }) => request <= limit, "expected a request of at most the limit"),
    ),
  ),
};

/** Of models; WGSL runs on no CPU. */
export const modelScheduleSettingsEntries = {
  ...scheduleSettingsEntries,
  /** False: never on a CPU lane, whose outputs are not bit by bit those of a GPU. */
  cpu: v.exactOptional(v.boolean()),
};

export const scheduleSettingsSchema = v.object(modelScheduleSettingsEntries);

export type ScheduleSettings = v.InferOutput<typeof scheduleSettingsSchema>;

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
