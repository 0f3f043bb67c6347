/**
 * Arrivals: which function is called when, in the order of time, as two typed arrays, so that millions of them fit and
 * are quick to go through. Made by merging a source for each function. Says nothing of where the sources come from.
 */
import { SourceHeap } from "./source-heap.ts";

/** Calls in the order of time; those of the same time in the order of their functions. */
export interface ArrivalBlock {
  /** From the begin of the trace; ascending. */
  readonly timesMs: Float64Array;
  /** The function that is called, by its position; a value a call. */
  readonly functionOf: Uint32Array;
}

export interface Arrivals extends ArrivalBlock {
  /** There are so many, called or not. */
  readonly functions: number;
  /** Of the trace: all calls come before it. */
  readonly durationMs: number;
  /** How long each call took where the trace was recorded; a value a call. Absent where nobody knows. */
  readonly tookMs?: Float64Array;
}

/** Each call gives the time of the next arrival, in milliseconds, ascending; `Infinity` after the last. May never end. */
export type CallSource = () => number;

/** Of this size blocks are quick to allocate, and many enough are merged before one is handed over. */
const blockCalls = 2 ** 16;

/**
 * What the sources give before `endMs`, a block at a time, so that a trace of any length needs little memory. The
 * position of a source is its function's. Reads sources ahead of the blocks: they are of no use to others afterwards.
 */
export function* mergeSources(sources: readonly CallSource[], endMs: number): Generator<ArrivalBlock> {
  const heap = new SourceHeap(sources, endMs);
  while (heap.size > 0) {
    const timesMs = new Float64Array(blockCalls);
    const functionOf = new Uint32Array(blockCalls);
    let calls = 0;
    for (; calls < blockCalls && heap.size > 0; calls++) {
      timesMs[calls] = heap.timeMs;
      functionOf[calls] = heap.source;
      heap.advance();
    }
    yield { timesMs: timesMs.subarray(0, calls), functionOf: functionOf.subarray(0, calls) };
  }
}

/** All that the sources give before `durationMs`; a function a source. */
export function gatherArrivals(sources: readonly CallSource[], durationMs: number): Arrivals {
  const blocks = [...mergeSources(sources, durationMs)];
  const calls = blocks.reduce((sum, { timesMs }) => sum + timesMs.length, 0);
  const timesMs = new Float64Array(calls);
  const functionOf = new Uint32Array(calls);
  let at = 0;
  for (const block of blocks) {
    timesMs.set(block.timesMs, at);
    functionOf.set(block.functionOf, at);
    at += block.timesMs.length;
  }
  return { timesMs, functionOf, functions: sources.length, durationMs };
}

/**
 * The calls of both, in the order of time, those of `first` before those of `second` where the times are the same. The
 * functions are the same ones: function 3 of both is one. `tookMs` stays where both have it.
 */
export function mergeArrivals(first: Arrivals, second: Arrivals): Arrivals {
  const calls = first.timesMs.length + second.timesMs.length;
  const timesMs = new Float64Array(calls);
  const functionOf = new Uint32Array(calls);
  const tookMs = first.tookMs && second.tookMs && new Float64Array(calls);
  let [a, b] = [0, 0];
  for (let at = 0; at < calls; at++) {
    const isFirst =
      b === second.timesMs.length || (a < first.timesMs.length && first.timesMs[a]! <= second.timesMs[b]!);
    const from = isFirst ? first : second;
    const index = isFirst ? a++ : b++;
    timesMs[at] = from.timesMs[index]!;
    functionOf[at] = from.functionOf[index]!;
    if (tookMs) tookMs[at] = from.tookMs![index]!;
  }
  return {
    ...{ timesMs, functionOf },
    functions: Math.max(first.functions, second.functions),
    durationMs: Math.max(first.durationMs, second.durationMs),
    ...(tookMs && { tookMs }),
  };
}

/** How often each function is called. */
export function callsByFunction({ functionOf, functions }: Arrivals): Uint32Array {
  const calls = new Uint32Array(functions);
  for (const index of functionOf) calls[index]!++;
  return calls;
}
