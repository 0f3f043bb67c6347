/**
 * How long a function is idle between calls, as a histogram of its own: what the idle window is learned from (the hybrid
 * histogram of Shahrad et al., "Serverless in the Wild", ATC'20). Bins grow with the times, a quarter of an octave each, as
 * what is kept here comes back in milliseconds, and seconds matter as much as hours. Old times count less.
 */

export interface IdleTimes {
  /** Faded counts, bin by bin. */
  readonly counts: readonly number[];
  /** Of times above the last bin. */
  readonly beyond: number;
  /** Times that were noted, faded as the counts are. */
  readonly total: number;
}

const shortestMs = 1_000;
const binsPerOctave = 4;
/** Four hours, as in the paper. */
export const longestIdleMs = 4 * 3_600_000;
const binCount = Math.ceil(Math.log2(longestIdleMs / shortestMs) * binsPerOctave) + 1;
/** What each newer time leaves of one: after 140 newer ones a time counts half. */
const kept = 0.995;

export const noIdleTimes: IdleTimes = { counts: [], beyond: 0, total: 0 };

/** With one time more between two calls. Below a second all are alike. @throws RangeError where it is below 0. */
export function withIdleTime({ counts, beyond, total }: IdleTimes, idleMs: number): IdleTimes {
  if (!(idleMs >= 0)) throw new RangeError(`An idle time is 0 or more, not ${idleMs}`);
  const bin = idleMs <= shortestMs ? 0 : Math.ceil(Math.log2(idleMs / shortestMs) * binsPerOctave);
  const faded = Array.from({ length: binCount }, (_, i) => kept * (counts[i] ?? 0) + (i === bin ? 1 : 0));
  return { counts: faded, beyond: kept * beyond + (bin < binCount ? 0 : 1), total: kept * total + 1 };
}

/**
 * The time within which this part of all idle times ended, by the upper edge of a bin; the lower edge for `isLow`.
 * Infinity where so many did not end within the histogram, NaN where nothing is known.
 */
export function idleQuantileMs({ counts, total }: IdleTimes, part: number, isLow = false): number {
  if (total === 0) return Number.NaN;
  let sum = 0;
  for (const [bin, count] of counts.entries()) {
    sum += count;
    // Faded counts add up to the total to the last bits only.
    if (count > 0 && sum >= part * total * (1 - 1e-9)) return edgeMs(isLow ? bin - 1 : bin);
  }
  return Number.POSITIVE_INFINITY;
}

/** Upper edge of a bin; the first one begins at 0. */
function edgeMs(bin: number): number {
  return bin < 0 ? 0 : shortestMs * 2 ** (bin / binsPerOctave);
}
