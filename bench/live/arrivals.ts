/** The calls of the live benchmark: at random, the n-th function 1/n as often as the first. */
import { type Arrivals, gatherArrivals } from "../traces/arrivals.ts";
import { randomCalls } from "../traces/call-sources.ts";
import { popularityShares } from "../traces/popularity.ts";
import { randomStream } from "../traces/random.ts";

export interface LiveArrivalOptions {
  readonly functions: number;
  readonly callsPerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
}

export function liveArrivals({ functions, callsPerSecond, durationMs, seed }: LiveArrivalOptions): Arrivals {
  const shares = popularityShares({ type: "zipf", exponent: 1 }, functions);
  const sources = Array.from(shares, (share, index) =>
    randomCalls(randomStream(seed, index), (share * callsPerSecond) / 1_000),
  );
  return gatherArrivals(sources, durationMs);
}
