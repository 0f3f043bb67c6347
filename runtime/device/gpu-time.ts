/** What timestamps of a GPU are worth, and whose the time of a round is. Pure functions. */

/** Timestamps are rounded: to 65 µs by Dawn, to 100 µs by browsers. */
const quantumMs = 0.1;

/**
 * @param beginNs, endNs as `resolveQuerySet` gives them.
 * @param wallMs how long the host waited for the same work.
 * @returns undefined where they cannot be right: never written, in the wrong order, or far beyond what the host saw.
 */
export function measuredMs(beginNs: bigint, endNs: bigint, wallMs: number): number | undefined {
  if (beginNs === 0n || endNs < beginNs) return undefined;
  const ms = Number(endNs - beginNs) / 1e6;
  return ms <= 1.25 * wallMs + 2 * quantumMs ? ms : undefined;
}

/**
 * Splits the time of a round between its runs, in proportion to what each takes alone. Those of which that is not known
 * count as the mean of the others.
 * @param soloMs by run. @returns milliseconds by run, which sum up to `totalMs`.
 */
export function splitMs(totalMs: number, soloMs: readonly (number | undefined)[]): number[] {
  if (soloMs.length === 1) return [totalMs];
  let known = 0;
  let sumMs = 0;
  for (const ms of soloMs) {
    if (ms === undefined) continue;
    known++;
    sumMs += ms;
  }
  if (sumMs <= 0) return soloMs.map(() => totalMs / soloMs.length);
  const meanMs = sumMs / known;
  const allMs = sumMs + meanMs * (soloMs.length - known);
  return soloMs.map((ms) => ((ms ?? meanMs) / allMs) * totalMs);
}
