/**
 * Which of the runs that wait goes first. Those that are in a hurry, and those that have waited too long, by the time at
 * which they are due; behind them the others as they came. Pure: the clock is the caller's.
 */

/** A run, as far as its turn is concerned. Times are milliseconds of one clock. */
export interface Turn {
  readonly arrivedAt: number;
  /** When its answer should be there, from its arrival on. Undefined: no hurry. */
  readonly urgencyMs: number | undefined;
}

/** After so long a run counts as due, whatever hurry it was in: so none waits for ever. */
export const agingMs = 2_000;

export function dueAt({ arrivedAt, urgencyMs }: Turn): number {
  return arrivedAt + Math.min(urgencyMs ?? agingMs, agingMs);
}

/** It goes before those that have time. */
export function isPressing(turn: Turn, now: number): boolean {
  return turn.urgencyMs !== undefined || now - turn.arrivedAt >= agingMs;
}

/** @returns a negative number where `a` goes first: an order of all runs, for one moment. */
export function compareTurns(a: Turn, b: Turn, now: number): number {
  const byPress = Number(isPressing(b, now)) - Number(isPressing(a, now));
  return byPress !== 0 ? byPress : dueAt(a) - dueAt(b) || a.arrivedAt - b.arrivedAt;
}
