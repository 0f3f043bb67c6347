/**
 * How long a function that is not called stays on the device, and in host memory, by its own idle times: the hybrid
 * histogram of Shahrad et al. (ATC'20). One that comes at regular times leaves and is brought back shortly before
 * the next call. Says where its weights belong, and moves nothing.
 */
import type { Tier } from "./demand.ts";
import { type IdleTimes, idleQuantileMs, longestIdleMs } from "./idle-times.ts";

export interface IdleWindowOptions {
  /** Idle times up to this part of them are waited for. */
  readonly tail: number;
  /** It is back before more than this part of its idle times has ended. */
  readonly head: number;
  /** What is added at either side of a window, as a part of it. */
  readonly margin: number;
  /** Idle times before a function's own histogram counts. */
  readonly leastTimes: number;
  /** The window of a function of which too little is known, or that comes too seldom for the histogram. */
  readonly usualMs: number;
  /** Leaving for less than this is not worth the loading. */
  readonly leastAwayMs: number;
}

/**
 * The paper's percentiles and margin. On Torpor's trace, the same a hundred times slower, Azure's sample of 2021, and
 * skewed, periodic, random and bursty calls, 2.8 % of calls found their function gone, which was on the device for
 * 76 % of the time (means over the traces); with a fixed window of ten minutes 19.6 % and 62 %, of an hour 0.9 % and 95 %,
 * with the 99th percentile alone 1.7 % and 91 %. A tail of 0.95 gives 4.6 % and 69 %.
 */
export const defaultIdleWindow: IdleWindowOptions = {
  tail: 0.99,
  head: 0.05,
  margin: 0.1,
  leastTimes: 5,
  usualMs: 600_000,
  leastAwayMs: 60_000,
};

/** Counted from the end of the last call. */
export interface IdleWindow {
  /** From when on it belongs on the device again; 0 where it never leaves it. */
  readonly backAfterMs: number;
  /** From when on it does not belong there any more. */
  readonly untilMs: number;
  /** From when on it does not belong in host memory any more. */
  readonly hostUntilMs: number;
}

export function idleWindowOf(times: IdleTimes, options: IdleWindowOptions = defaultIdleWindow): IdleWindow {
  const tailMs = idleQuantileMs(times, options.tail) * (1 + options.margin);
  const isKnown = times.total >= options.leastTimes * (1 - options.margin) && Number.isFinite(tailMs);
  if (!isKnown) return { backAfterMs: 0, untilMs: options.usualMs, hostUntilMs: longestIdleMs };
  const backMs = idleQuantileMs(times, options.head, true) * (1 - options.margin);
  return {
    backAfterMs: backMs >= options.leastAwayMs ? backMs : 0,
    untilMs: tailMs,
    // Host memory is had in plenty: it keeps what may come back at all.
    hostUntilMs: Math.max(longestIdleMs, tailMs),
  };
}

/** Where the weights of a function belong that has been idle for so long; one that runs has been idle for 0 ms. */
export function tierAfter({ backAfterMs, untilMs, hostUntilMs }: IdleWindow, idleMs: number): Tier {
  if (idleMs === 0 || (idleMs >= backAfterMs && idleMs < untilMs)) return "device";
  return idleMs < hostUntilMs ? "host" : "store";
}
