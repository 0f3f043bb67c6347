/**
 * How many calls of a function the next interval brings, from how many the last ones brought. A forecast is for capacity,
 * so it may be above the mean. Its state is plain numbers, and nothing here has a clock: somebody counts calls in intervals
 * of equal length, ten seconds for instance.
 */
export interface Forecast {
  readonly name: string;
  /** Of a function that has never been called. */
  readonly initial: ForecastState;
  /** After one more interval with so many calls. */
  observe(state: ForecastState, calls: number): ForecastState;
  /** Calls in the next interval; 0 or more, 0 for the initial state. */
  next(state: ForecastState): number;
}

export type ForecastState = readonly number[];

/** For forecasts that look back: the last so many intervals, the newest last. */
export function withLast(state: ForecastState, calls: number, length: number): ForecastState {
  return [...state, calls].slice(-length);
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => a + b) / values.length;
}
