/**
 * The larger of two means, of a short window that follows a rise within intervals and of a long one that does not forget it
 * in a lull, and so many standard deviations of the long window above it: what comes in bursts gets more than what
 * comes evenly, as its own past says.
 */
import { type Forecast, type ForecastState, mean, withLast } from "./forecast.ts";

export interface WindowsOptions {
  /** Intervals. */
  readonly short: number;
  readonly long: number;
  readonly deviations: number;
}

export function windows({ short, long, deviations }: WindowsOptions): Forecast {
  return {
    name: `windows ${short} ${long} +${deviations}σ`,
    initial: [],
    observe: (state, calls) => withLast(state, calls, long),
    next: (state) => Math.max(mean(state.slice(-short)), mean(state)) + deviations * deviationOf(state),
  };
}

function deviationOf(state: ForecastState): number {
  const middle = mean(state);
  return Math.sqrt(mean(state.map((calls) => (calls - middle) ** 2)));
}
