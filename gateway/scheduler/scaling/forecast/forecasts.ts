/** The forecasts by name, and the one that is used where nobody chose. */
import type { Forecast } from "./forecast.ts";
import { holt } from "./holt.ts";
import { lastRate } from "./last-rate.ts";
import { peak } from "./peak.ts";
import { windows } from "./windows.ts";

/** With windows for intervals of ten seconds. */
export const forecasts = {
  last: lastRate,
  holt: holt({ level: 0.5, trend: 0.3 }),
  windows: windows({ short: 1, long: 30, deviations: 1 }),
  peak: peak({ window: 30, quantile: 1 }),
} as const satisfies Readonly<Record<string, Forecast>>;

export type ForecastName = keyof typeof forecasts;

/**
 * Compared on Torpor's trace, the same with twenty times the calls, Azure's sample of 2021, and steady, bursty, periodic,
 * stepped and rising load, ten seconds an interval, capacity going up at once and down after a minute. With each method's
 * margin such that three times the mean rate is provided (geometric mean over the traces), 2.7 % of calls were above
 * capacity, and capacity changed 22 times an hour; `windows` 5.2 % and 51, `holt` 9.0 % and 82, `last` 9.1 % and 58.
 * The highest of one minute has 5.7 % and 40; with 2.2 times the rate it is best with 7.9 %, `last` has 10.2 %.
 */
export const defaultForecast: ForecastName = "peak";
