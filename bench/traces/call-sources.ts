/**
 * How one function is called: at random, at equal distances, in bursts, after the time of day. Each pattern is a source
 * of times that never ends, but for the one that follows a row of rates. Draws from the stream that it is given alone.
 */
import type { CallSource } from "./arrivals.ts";
import { exponentialGap, type Random } from "./random.ts";

/** Calls that know nothing of each other: a Poisson process. Its gaps have a coefficient of variation (CV) of 1. */
export function randomCalls(random: Random, perMs: number): CallSource {
  let atMs = 0;
  return () => {
    atMs += exponentialGap(random, perMs);
    return atMs;
  };
}

/** A timer: equal gaps (CV 0), the first call at a time within one that is drawn. */
export function periodicCalls(random: Random, perMs: number): CallSource {
  const phase = random();
  let calls = 0;
  return () => (phase + calls++) / perMs;
}

export interface BurstPattern {
  /** Calls in a burst come so many times as fast as in the mean; above 1. Bursts take one part of `factor` of the time. */
  readonly factor: number;
  /** Calls of a burst in the mean. */
  readonly calls: number;
}

/**
 * Bursts, and silence between them: a Poisson process that a Markov chain of two states switches on and off. Both last
 * exponentially long. Gaps are independent, with CV² = 1 + 2 · calls · ((factor − 1) / factor)², the interrupted Poisson
 * process's (Kuczura, Bell System Technical Journal 1973).
 */
export function burstyCalls(random: Random, perMs: number, { factor, calls }: BurstPattern): CallSource {
  const inBurstPerMs = perMs * factor;
  const endsPerMs = inBurstPerMs / calls;
  const beginsPerMs = endsPerMs / (factor - 1);
  let atMs = 0;
  // As if it had gone on for long: else each trace would begin with a burst, or with silence.
  if (random() * factor >= 1) atMs = exponentialGap(random, beginsPerMs);
  let burstEndMs = atMs + exponentialGap(random, endsPerMs);
  return () => {
    atMs += exponentialGap(random, inBurstPerMs);
    // Beyond the end of its burst there was no call; the process has no memory, so the next is drawn anew.
    while (atMs >= burstEndMs) {
      const beginMs = burstEndMs + exponentialGap(random, beginsPerMs);
      burstEndMs = beginMs + exponentialGap(random, endsPerMs);
      atMs = beginMs + exponentialGap(random, inBurstPerMs);
    }
    return atMs;
  };
}

export interface Day {
  /** 0 to 1: the rate goes from 1 − depth to 1 + depth of its mean, as a sine that begins at the mean and rises. */
  readonly depth: number;
  readonly lengthMs: number;
}

/**
 * Thins a source out by the time of day (Lewis and Shedler 1979): for a Poisson process, or one that is switched, this
 * is exactly the one whose rate follows the day.
 * @param source of the rate at noon: 1 + depth times the mean.
 */
export function throughTheDay(random: Random, source: CallSource, { depth, lengthMs }: Day): CallSource {
  return () => {
    for (;;) {
      const atMs = source();
      const rate = 1 + depth * Math.sin((2 * Math.PI * atMs) / lengthMs);
      if (random() * (1 + depth) < rate || atMs === Infinity) return atMs;
    }
  };
}

/** A Poisson process whose rate changes: `perMs` of them, for `stepMs` each. Ends with the last. */
export function steppedCalls(random: Random, perMs: ArrayLike<number>, stepMs: number): CallSource {
  let step = 0;
  let atMs = 0;
  return () => {
    for (; step < perMs.length; atMs = ++step * stepMs) {
      if (perMs[step]! === 0) continue;
      atMs += exponentialGap(random, perMs[step]!);
      if (atMs < (step + 1) * stepMs) return atMs;
    }
    return Infinity;
  };
}
