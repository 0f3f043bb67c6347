/**
 * The skewed load of the density benchmark: a few functions with most of the calls, bursts, and calls at fixed times, in
 * seconds instead of hours. Pure; the same seed gives the same calls.
 */
import { type Arrivals, type CallSource, gatherArrivals } from "../traces/arrivals.ts";
import { periodicCalls, randomCalls } from "../traces/call-sources.ts";
import { popularityShares } from "../traces/popularity.ts";
import { exponentialGap, type Random, randomStream, shuffled } from "../traces/random.ts";

export interface ArrivalOptions {
  readonly durationMs: number;
  /** Calls a second, of all functions together, in the mean. */
  readonly rate: number;
  readonly seed: number;
}

/** Mean calls of a burst, and the mean time between two of them: the same for all, however rarely they are called. */
const burstCalls = 8;
const burstGapMs = 5;

/** The stream of random numbers beyond those of the functions. */
const orderStream = -1;

/**
 * Zipf with exponent 1: the n-th of the functions has 1/n of the first one's calls; which one is the n-th is drawn. By
 * rank a third each come at random, in bursts, and at equal distances.
 */
export function skewedArrivals(functions: number, { durationMs, rate, seed }: ArrivalOptions): Arrivals {
  const ranks = shuffled(functions, randomStream(seed, orderStream));
  const shares = popularityShares({ type: "zipf", exponent: 1 }, functions);
  const sources = Array.from(ranks, (rank, index): CallSource => {
    const random = randomStream(seed, index);
    const perMs = (rate / 1000) * shares[rank]!;
    if (rank % 3 === 0) return randomCalls(random, perMs);
    return rank % 3 === 1 ? clusteredCalls(random, perMs) : periodicCalls(random, perMs);
  });
  return gatherArrivals(sources, durationMs);
}

/**
 * Bursts begin at random, and may overlap; after each call of one there is another with the same chance. All gaps being
 * exponential, the number of bursts that go on is all there is to remember.
 */
function clusteredCalls(random: Random, perMs: number): CallSource {
  const beginsPerMs = perMs / burstCalls;
  let atMs = 0;
  let nextBeginMs = exponentialGap(random, beginsPerMs);
  let going = 0;
  return () => {
    const inBurstMs = atMs + exponentialGap(random, going / burstGapMs);
    if (inBurstMs < nextBeginMs) {
      atMs = inBurstMs;
      going--;
    } else {
      atMs = nextBeginMs;
      nextBeginMs += exponentialGap(random, beginsPerMs);
    }
    if (random() >= 1 / burstCalls) going++;
    return atMs;
  };
}
