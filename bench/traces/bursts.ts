/** Puts bursts into a trace that has none: for a while a function gets many times the calls that it has in the mean. */
import {
  type Arrivals,
  type CallSource,
  callsByFunction,
  gatherArrivals,
  mergeArrivals,
} from "./arrivals.ts";
import { exponentialGap, type Random, randomStream } from "./random.ts";

export interface Burst {
  readonly function: number;
  readonly fromMs: number;
  readonly lengthMs: number;
  /** The function's rate in the burst over its mean in the trace; at least 1. */
  readonly factor: number;
}

export interface BurstOptions {
  readonly seed: number;
  readonly bursts: number;
  /** Mean of their lengths, which are exponential. */
  readonly lengthMs: number;
  readonly factor: number;
}

/** What the streams of random numbers beyond those of single bursts are for. */
const drawStream = -1;

/** Bursts at times and of functions that are drawn, each as likely; in the order of time. */
export function drawBursts(
  { functions, durationMs }: Pick<Arrivals, "functions" | "durationMs">,
  { seed, bursts, lengthMs, factor }: BurstOptions,
): readonly Burst[] {
  const random = randomStream(seed, drawStream);
  return Array.from({ length: bursts }, () => ({
    function: Math.floor(random() * functions),
    fromMs: random() * durationMs,
    lengthMs: exponentialGap(random, 1 / lengthMs),
    factor,
  })).sort((a, b) => a.fromMs - b.fromMs);
}

/**
 * The trace and, during each burst, calls at random with factor − 1 times the function's mean rate; all calls of the
 * trace stay. Bursts that overlap add up; what is beyond the trace's end is cut; a function without calls has no bursts.
 * Calls of bursts take as long as one of the function's calls, where the trace says that.
 * @throws RangeError for a burst of another function, or one that would take calls away.
 */
export function withBursts(arrivals: Arrivals, bursts: readonly Burst[], seed: number): Arrivals {
  const { durationMs, functions } = arrivals;
  for (const { function: index, factor } of bursts) {
    if (!(Number.isInteger(index) && index >= 0 && index < functions && factor >= 1))
      throw new RangeError(
        `Cannot add a burst of factor ${factor} to function ${index} as it must be 1 at least, and one of ${functions} functions`,
      );
  }
  const calls = callsByFunction(arrivals);
  const sources = bursts.map((burst, i) => {
    const perMs = ((burst.factor - 1) * calls[burst.function]!) / durationMs;
    return burstCalls(randomStream(seed, i), burst, perMs);
  });
  const added = gatherArrivals(sources, durationMs);
  const functionOf = added.functionOf.map((burst) => bursts[burst]!.function);
  const tookMs =
    arrivals.tookMs && drawTook(arrivals, arrivals.tookMs, functionOf, randomStream(seed, drawStream));
  return mergeArrivals(arrivals, { ...added, functionOf, functions, ...(tookMs && { tookMs }) });
}

function burstCalls(random: Random, { fromMs, lengthMs }: Burst, perMs: number): CallSource {
  let atMs = fromMs;
  return () => {
    atMs += exponentialGap(random, perMs);
    return atMs < fromMs + lengthMs ? atMs : Infinity;
  };
}

function drawTook(
  { functionOf, functions }: Arrivals,
  tookMs: Float64Array,
  called: Uint32Array,
  random: Random,
): Float64Array {
  const byFunction = Array.from({ length: functions }, (): number[] => []);
  for (const [i, index] of functionOf.entries()) byFunction[index]!.push(tookMs[i]!);
  return Float64Array.from(called, (index) => {
    const own = byFunction[index]!;
    return own[Math.floor(random() * own.length)]!;
  });
}
