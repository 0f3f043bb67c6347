import * as v from "valibot";
import { describe, expect, test } from "vitest";
import {
  scheduleSettingsSchema,
  statedScheduleSettings,
} from "../../../kernels/manifest/schedule-settings.ts";

const accepts = (value: unknown) => v.safeParse(scheduleSettingsSchema, value).success;

describe("when a function is to run", () => {
  test.each([
    {},
    { deadlineMs: 0.5 },
    { deadlineMs: 80, quota: { request: 0.2, limit: 0.5 } },
    { quota: { request: 1, limit: 1 } },
    { cpu: false },
  ])("may be stated as %j", (value) => {
    expect(accepts(value)).toBe(true);
  });

  test.each([
    { deadlineMs: 0 },
    { deadlineMs: "80" },
    { deadlineMs: 1e12 },
    { quota: { request: 0.6, limit: 0.5 } },
    { quota: { request: 0, limit: 0.5 } },
    { quota: { request: 0.5, limit: 1.1 } },
    { quota: { limit: 0.5 } },
    { quota: { request: 0.1, limit: 0.5, burst: 2 } },
    { cpu: "never" },
  ])("is not %j", (value) => {
    expect(accepts(value)).toBe(false);
  });

  test("is nothing where a manifest says nothing of it", () => {
    expect(statedScheduleSettings({})).toBeUndefined();
    expect(statedScheduleSettings({ deadlineMs: 5 })).toEqual({ deadlineMs: 5 });
    expect(statedScheduleSettings({ cpu: false })).toEqual({ cpu: false });
  });
});
