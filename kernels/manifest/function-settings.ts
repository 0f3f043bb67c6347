/**
 * What clients may set of a deployed function, before what its bundle says: how it is kept in device memory, and when its
 * calls run.
 */
import * as v from "valibot";
import { memorySettingsEntries, memorySettingsPatchEntries } from "./memory-settings.ts";
import { scheduleSettingsEntries, scheduleSettingsPatchEntries } from "./schedule-settings.ts";

export const functionSettingsSchema = v.object({ ...memorySettingsEntries, ...scheduleSettingsEntries });

/** What is left out is as the bundle says. */
export type StatedFunctionSettings = v.InferOutput<typeof functionSettingsSchema>;

/** A change: `null` takes a setting back to what the bundle says. */
export const functionSettingsPatch = v.strictObject({
  ...memorySettingsPatchEntries,
  ...scheduleSettingsPatchEntries,
});

export type FunctionSettingsPatch = v.InferOutput<typeof functionSettingsPatch>;

/** What is stated after a change. */
export function patched(
  stated: StatedFunctionSettings,
  patch: FunctionSettingsPatch,
): StatedFunctionSettings {
  const result: Record<string, unknown> = { ...stated, ...patch };
  for (const [key, value] of Object.entries(result)) if (value === null) delete result[key];
  return result;
}
