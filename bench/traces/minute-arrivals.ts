/**
 * Single calls from numbers of calls a minute: at random with these rates, as Torpor's benchmark does, or exactly as many
 * calls, as the one of the locality-aware scheduler does. The same seed gives the same calls.
 */
import { type Arrivals, type CallSource, gatherArrivals } from "./arrivals.ts";
import { steppedCalls } from "./call-sources.ts";
import {
  callsOf,
  firstMinutes,
  type MinuteTrace,
  minuteMs,
  minutesOf,
  normalisedTo,
  topFunctions,
} from "./minute-trace.ts";
import { type Random, randomStream } from "./random.ts";

export interface RateOptions {
  readonly seed: number;
  /** Default: those of the trace. Further ones repeat its rows, with calls of their own. */
  readonly functions?: number;
  /** Calls in a minute over those of the trace; default 1. */
  readonly rateFactor?: number;
  /** What a minute of the trace takes; default a minute. Its number of calls stays what it is. */
  readonly minuteMs?: number;
}

/**
 * Exponential gaps of mean minute / calls within each minute (Torpor, USENIX ATC'25). A function's calls depend on
 * its row, its position and the seed alone: with more functions the first ones are called as before.
 */
export function exponentialArrivals(trace: MinuteTrace, options: RateOptions): Arrivals {
  const { seed, functions = trace.length, rateFactor = 1, minuteMs: stepMs = minuteMs } = options;
  const sources = Array.from({ length: functions }, (_, index) => {
    const row = trace[index % trace.length]!;
    const perMs = Float64Array.from(row, (calls) => (calls * rateFactor) / stepMs);
    return steppedCalls(randomStream(seed, index), perMs, stepMs);
  });
  return gatherArrivals(sources, minutesOf(trace) * stepMs);
}

/** `rateFactor` for so many calls a second of all functions together, over a time into which the whole trace goes. */
export function rateFactorFor(trace: MinuteTrace, callsPerSecond: number, durationMs: number): number {
  return (callsPerSecond * durationMs) / 1000 / callsOf(trace);
}

/** How many times as many calls come in a given time as in the trace. */
export function speedUpOf(trace: MinuteTrace, callsPerSecond: number): number {
  return rateFactorFor(trace, callsPerSecond, minutesOf(trace) * minuteMs);
}

/** Where a minute's calls of a function lie: at equal distances from a begin that is drawn, or anywhere in it. */
export type Spread = "even" | "random";

/** Exactly as many calls in each minute as the trace says. @throws RangeError where it says a fraction. */
export function spreadArrivals(
  trace: MinuteTrace,
  { seed, spread }: { readonly seed: number; readonly spread: Spread },
): Arrivals {
  if (trace.some((row) => row.some((calls) => !Number.isSafeInteger(calls))))
    throw new RangeError("Cannot spread the calls of a trace as a number of them is not whole");
  const sources = trace.map((row, index) => countedCalls(randomStream(seed, index), row, spread));
  return gatherArrivals(sources, minutesOf(trace) * minuteMs);
}

export interface WorkingSetOptions {
  /** 15, 25 and 35 there. */
  readonly functions: number;
  readonly seed: number;
  readonly spread: Spread;
  /** Default 6. */
  readonly minutes?: number;
  /** Of all functions together; default 325. */
  readonly callsAMinute?: number;
}

/**
 * Working sets as Zhao, Jha and Hong make them ("GPU-enabled Function-as-a-Service for Machine Learning Inference", 2023):
 * of the first minutes the functions with the most calls, normalised to the same load in each minute.
 */
export function workingSetArrivals(trace: MinuteTrace, options: WorkingSetOptions): Arrivals {
  const { functions, seed, spread, minutes = 6, callsAMinute = 325 } = options;
  const chosen = topFunctions(firstMinutes(trace, minutes), functions);
  return spreadArrivals(normalisedTo(chosen, callsAMinute), { seed, spread });
}

function countedCalls(random: Random, row: readonly number[], spread: Spread): CallSource {
  let minute = -1;
  let place = 0;
  let places: Float64Array = new Float64Array(0);
  return () => {
    while (place === places.length) {
      if (++minute === row.length) return Infinity;
      place = 0;
      places = placesOf(random, row[minute]!, spread);
    }
    return (minute + places[place++]!) * minuteMs;
  };
}

/** Parts of a minute, ascending, below 1. */
function placesOf(random: Random, calls: number, spread: Spread): Float64Array {
  switch (spread) {
    case "even": {
      const phase = random();
      return Float64Array.from({ length: calls }, (_, i) => (i + phase) / calls);
    }
    case "random":
      return Float64Array.from({ length: calls }, random).sort();
    default:
      throw new TypeError(`There is no spread '${spread satisfies never}'`);
  }
}
