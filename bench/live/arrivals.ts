/** The calls of the live benchmark: at random, the n-th function 1/n as often as the first. */
import { type ArrivalBlock, type Arrivals, gatherArrivals } from "../traces/arrivals.ts";
import { randomCalls } from "../traces/call-sources.ts";
import { popularityShares } from "../traces/popularity.ts";
import { randomStream } from "../traces/random.ts";

export interface LiveArrivalOptions {
  readonly functions: number;
  readonly callsPerSecond: number;
  readonly durationMs: number;
}

export function liveArrivals({ functions, callsPerSecond, durationMs }: LiveArrivalOptions): Arrivals {
  const shares = popularityShares({ type: "zipf", exponent: 1 }, functions);
  const sources = Array.from(shares, (share, index) =>
    randomCalls(randomStream(1, index), (share * callsPerSecond) / 1_000),
  );
  return gatherArrivals(sources, durationMs);
}

/** Those of one of so many equally long parts, from its begin. */
export function slicesOf(
  { timesMs, functionOf, durationMs }: Arrivals,
  count: number,
): readonly ArrivalBlock[] {
  const sliceMs = durationMs / count;
  return Array.from({ length: count }, (_, slice) => {
    const from = timesMs.findIndex((at) => at >= slice * sliceMs);
    const next = timesMs.findIndex((at) => at >= (slice + 1) * sliceMs);
    const [begin, end] = [from < 0 ? timesMs.length : from, next < 0 ? timesMs.length : next];
    return {
      timesMs: timesMs.slice(begin, end).map((at) => at - slice * sliceMs),
      functionOf: functionOf.slice(begin, end),
    };
  });
}
