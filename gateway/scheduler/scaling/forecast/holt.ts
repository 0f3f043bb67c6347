/** Holt's linear trend: an average that forgets, of the level and of its slope. Sees ramps coming, overshoots after bursts. */
import type { Forecast } from "./forecast.ts";

export interface HoltOptions {
  /** How much a new interval counts for the level, and a new slope for the trend; both in (0, 1]. */
  readonly level: number;
  readonly trend: number;
}

export function holt({ level: a, trend: b }: HoltOptions): Forecast {
  return {
    name: `holt ${a} ${b}`,
    initial: [],
    observe: ([level, trend = 0], calls) => {
      if (level === undefined) return [calls, 0];
      const next = a * calls + (1 - a) * (level + trend);
      return [next, b * (next - level) + (1 - b) * trend];
    },
    next: ([level = 0, trend = 0]) => Math.max(0, level + trend),
  };
}
