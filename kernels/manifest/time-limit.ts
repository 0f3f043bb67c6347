/** `timeLimitMs` of `function.json`, for both kinds of bundles: how long one run may take, on the device or in a session. */
import * as v from "valibot";

/** While a run hangs, nobody else uses the device: no manifest may ask for more than ten minutes. */
export const maxTimeLimitMs = 600_000;

/** Of a tenant's, unless the tenants' file says otherwise. */
export const tenantTimeLimitMs = 60_000;

export const timeLimitSchema = v.pipe(
  v.number(),
  v.minValue(1, "expected 1 or more milliseconds"),
  v.maxValue(maxTimeLimitMs, `expected at most ${maxTimeLimitMs} milliseconds`),
);
