/** Traces for property tests: whole numbers of calls, of up to eight functions, many of them equal or 0. */
import fc from "fast-check";
import type { MinuteTrace } from "../../../bench/traces/minute-trace.ts";

export const anyMinuteTrace: fc.Arbitrary<MinuteTrace> = fc
  .record({ functions: fc.integer({ min: 1, max: 8 }), minutes: fc.integer({ min: 1, max: 6 }) })
  .chain(({ functions, minutes }) => {
    const calls = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 }));
    const row = fc.array(calls, { minLength: minutes, maxLength: minutes });
    return fc.array(row, { minLength: functions, maxLength: functions });
  });
