/**
 * Who is called when: from a trace of calls a minute, and from a generator of what traces as mild as that one lack,
 * a few functions with most of the calls, bursts, and calls at fixed times. Pure; the same seed gives the same calls.
 */
import { seededRandom } from "../../models/seeded.ts";

export interface Arrival {
  readonly atMs: number;
  /** Position among the functions. */
  readonly function: number;
}

export interface ArrivalOptions {
  readonly durationMs: number;
  /** Calls a second, of all functions together, in the mean. */
  readonly rate: number;
  readonly seed: number;
}

/** Calls a minute: a row a function, all of one length. */
export type Trace = ReadonlyArray<readonly number[]>;

/** @param text a line of names, then a line a function: its name and its calls in each minute. @throws RangeError. */
export function parseTrace(text: string): Trace {
  const [header, ...lines] = text.trim().split("\n");
  const minutes = header!.split(",").length - 1;
  return lines.map((line) => {
    const [name, ...cells] = line.split(",");
    const counts = cells.map(Number);
    if (counts.length !== minutes || counts.some((count) => !(count >= 0)))
      throw new RangeError(`The trace's line of '${name}' does not have ${minutes} numbers`);
    return counts;
  });
}

/** How many times as many calls come in a given time as in the trace. */
export function speedUpOf(trace: Trace, rate: number): number {
  return (rate * 60 * minutesOf(trace)) / callsOf(trace);
}

/** The whole trace in the time that there is, thinned out evenly for the rate; exponential gaps within each minute. */
export function traceArrivals(trace: Trace, { durationMs, rate, seed }: ArrivalOptions): readonly Arrival[] {
  const random = seededRandom(seed);
  const minuteMs = durationMs / minutesOf(trace);
  const kept = (rate * durationMs) / 1000 / callsOf(trace);
  const arrivals: Arrival[] = [];
  for (const [index, counts] of trace.entries()) {
    for (const [minute, count] of counts.entries()) {
      const fromMs = minute * minuteMs;
      const perMs = (count * kept) / minuteMs;
      if (perMs > 0) poisson(random, { fromMs, endMs: fromMs + minuteMs, perMs }, index, arrivals);
    }
  }
  return inOrder(arrivals);
}

function minutesOf(trace: Trace): number {
  return trace[0]!.length;
}

function callsOf(trace: Trace): number {
  return trace.reduce((sum, counts) => sum + counts.reduce((a, b) => a + b), 0);
}

/** Mean calls of a burst, and the mean time between two of them. */
const burstCalls = 8;
const burstGapMs = 5;

/**
 * Zipf with exponent 1: the n-th of the functions has 1/n of the first one's calls; which one is the n-th is drawn. By
 * rank a third each come at random, in bursts, and at equal distances.
 */
export function skewedArrivals(
  functions: number,
  { durationMs, rate, seed }: ArrivalOptions,
): readonly Arrival[] {
  const random = seededRandom(seed);
  const order = shuffled(functions, random);
  const harmonic = order.reduce((sum, _, rank) => sum + 1 / (rank + 1), 0);
  const arrivals: Arrival[] = [];
  for (const [rank, index] of order.entries()) {
    const perMs = rate / 1000 / harmonic / (rank + 1);
    if (rank % 3 === 0) {
      poisson(random, { fromMs: 0, endMs: durationMs, perMs }, index, arrivals);
    } else if (rank % 3 === 1) {
      const begins: Arrival[] = [];
      poisson(random, { fromMs: 0, endMs: durationMs, perMs: perMs / burstCalls }, index, begins);
      for (const { atMs } of begins) {
        // Geometric: after each call there is another one with the same chance.
        for (let at = atMs; at < durationMs; at += exponentialGap(random, 1 / burstGapMs)) {
          arrivals.push({ atMs: at, function: index });
          if (random() < 1 / burstCalls) break;
        }
      }
    } else {
      const periodMs = 1 / perMs;
      for (let at = random() * periodMs; at < durationMs; at += periodMs)
        arrivals.push({ atMs: at, function: index });
    }
  }
  return inOrder(arrivals);
}

function poisson(
  random: () => number,
  { fromMs, endMs, perMs }: { readonly fromMs: number; readonly endMs: number; readonly perMs: number },
  index: number,
  arrivals: Arrival[],
): void {
  let at = fromMs + exponentialGap(random, perMs);
  for (; at < endMs; at += exponentialGap(random, perMs)) arrivals.push({ atMs: at, function: index });
}

function shuffled(count: number, random: () => number): readonly number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function inOrder(arrivals: Arrival[]): readonly Arrival[] {
  return arrivals.sort((a, b) => a.atMs - b.atMs);
}

/** Times between the events of a Poisson process of so many a millisecond. */
export function exponentialGap(random: () => number, perMs: number): number {
  return -Math.log(1 - random()) / perMs;
}
