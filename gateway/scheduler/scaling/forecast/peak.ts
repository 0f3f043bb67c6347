/** A quantile of the last intervals: 1 for the highest of them. What came before comes again, and nothing more. */
import { type Forecast, withLast } from "./forecast.ts";

export interface PeakOptions {
  /** Intervals. */
  readonly window: number;
  /** In [0, 1]. */
  readonly quantile: number;
}

export function peak({ window, quantile }: PeakOptions): Forecast {
  return {
    name: `peak ${window} p${quantile * 100}`,
    initial: [],
    observe: (state, calls) => withLast(state, calls, window),
    next: (state) => {
      const sorted = [...state].sort((a, b) => a - b);
      return sorted[Math.max(0, Math.ceil(sorted.length * quantile) - 1)] ?? 0;
    },
  };
}
