/**
 * A generator of traces with what production shows and recorded samples lack: a few functions with most of the calls,
 * timers, and bursts (Shahrad et al., "Serverless in the Wild", USENIX ATC'20). Pure; the same seed gives the same trace.
 */
import { type Arrivals, type CallSource, gatherArrivals } from "./arrivals.ts";
import {
  type BurstPattern,
  burstyCalls,
  type Day,
  periodicCalls,
  randomCalls,
  throughTheDay,
} from "./call-sources.ts";
import { type Popularity, popularityShares } from "./popularity.ts";
import { randomStream, shuffled } from "./random.ts";

export interface AzureLikeOptions {
  readonly functions: number;
  readonly durationMs: number;
  /** Of all functions together, in the mean; with a `day`, over whole days. */
  readonly callsPerSecond: number;
  /** Whole, of 32 bits. */
  readonly seed: number;
  /** Default: Zipf's law with exponent 1. */
  readonly popularity?: Popularity;
  /**
   * Of the functions, those called at equal distances (CV of gaps 0); default 0.2. A fifth of Azure's applications are
   * like that. 16 % of its functions are timers, which have 2 % of the calls; here popularity and pattern are drawn
   * apart, so that the share of calls is that of the functions in the mean.
   */
  readonly periodicShare?: number;
  /** Of the functions, those called in bursts (CV above 1): 0.4 by default, as of Azure's. The others: at random (CV 1). */
  readonly burstyShare?: number;
  /** Default: ten calls in the mean, ten times as fast: CV 4.1. */
  readonly burst?: BurstPattern;
  /** Makes all but periodic functions follow the time of day. Default: no. */
  readonly day?: Day;
}

export interface FunctionPattern {
  readonly type: "periodic" | "random" | "bursty";
  /** Calls a millisecond in the mean. */
  readonly perMs: number;
}

/** What the streams of random numbers beyond those of the functions are for. */
const popularityStream = -1;
const patternStream = -2;

export function azureLikeArrivals(options: AzureLikeOptions): Arrivals {
  return gatherArrivals(azureLikeSources(options), options.durationMs);
}

/** A source a function, for `mergeSources` where a trace is too long to be kept. They never end. @throws RangeError. */
export function azureLikeSources(options: AzureLikeOptions): readonly CallSource[] {
  const { seed, burst = { factor: 10, calls: 10 }, day } = options;
  if (!(burst.factor > 1 && burst.calls > 0))
    throw new RangeError(
      `Cannot generate a trace as its bursts are of ${burst.calls} calls, ${burst.factor} times as fast: more than 0 and 1 are needed`,
    );
  if (day && !(day.depth >= 0 && day.depth <= 1 && day.lengthMs > 0))
    throw new RangeError(
      `Cannot generate a trace as its day has depth ${day.depth} and ${day.lengthMs} ms: 0 to 1 and more than 0 are needed`,
    );
  const noon = 1 + (day?.depth ?? 0);
  return functionPatterns(options).map(({ type, perMs }, index) => {
    const random = randomStream(seed, index);
    switch (type) {
      case "periodic":
        return periodicCalls(random, perMs);
      case "random": {
        const source = randomCalls(random, perMs * noon);
        return day ? throughTheDay(random, source, day) : source;
      }
      case "bursty": {
        // Thinned out, its bursts are as long, and in the mean as full, as without a day.
        const source = burstyCalls(random, perMs * noon, { ...burst, calls: burst.calls * noon });
        return day ? throughTheDay(random, source, day) : source;
      }
      default:
        throw new TypeError(`There is no pattern '${type satisfies never}'`);
    }
  });
}

/** How each function is called, by position. Which ones are popular, and which have what pattern, is drawn. */
export function functionPatterns(options: AzureLikeOptions): readonly FunctionPattern[] {
  const { functions, callsPerSecond, seed, popularity = { type: "zipf", exponent: 1 } } = options;
  const { periodicShare = 0.2, burstyShare = 0.4 } = options;
  if (!(callsPerSecond > 0 && callsPerSecond < Infinity))
    throw new RangeError(`Cannot generate a trace as ${callsPerSecond} calls a second are no rate above 0`);
  if (!(periodicShare >= 0 && burstyShare >= 0 && periodicShare + burstyShare <= 1))
    throw new RangeError(
      `Cannot generate a trace as the shares of its patterns are ${periodicShare} and ${burstyShare}: neither may be below 0, nor both above 1`,
    );
  const shares = popularityShares(popularity, functions);
  const ranks = shuffled(functions, randomStream(seed, popularityStream));
  const places = shuffled(functions, randomStream(seed, patternStream));
  const periodic = Math.round(functions * periodicShare);
  const patterned = Math.round(functions * (periodicShare + burstyShare));
  return Array.from({ length: functions }, (_, index) => ({
    type: places[index]! < periodic ? "periodic" : places[index]! < patterned ? "bursty" : "random",
    perMs: (callsPerSecond / 1000) * shares[ranks[index]!]!,
  }));
}
