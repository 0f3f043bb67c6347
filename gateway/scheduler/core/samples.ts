/**
 * The last few measurements of one quantity, and their quantiles: what comes is more like what was lately than like the
 * mean of all time, and one outlier (a first run, a busy neighbour) moves a median by nothing.
 */

/** Enough for a 90th percentile, few enough to forget within a minute of traffic. */
const kept = 16;

export class Samples {
  readonly #ring: number[] = [];
  #next = 0;
  /** Kept in order all the time: it is asked for after nearly every measurement. */
  readonly #ascending: number[] = [];
  /** Measurements since the beginning, those that were forgotten included. */
  count = 0;

  /** @param known stands for measurements until there are some. */
  constructor(known?: number) {
    if (known === undefined) return;
    this.#ring.push(known);
    this.#ascending.push(known);
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0;
  }

  add(value: number): void {
    this.count++;
    const oldest = this.#ring[this.#next];
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % kept;
    const ascending = this.#ascending;
    let at = oldest === undefined ? ascending.length : ascending.indexOf(oldest);
    // Into the place of the oldest, then past whatever is out of order.
    for (; at > 0 && ascending[at - 1]! > value; at--) ascending[at] = ascending[at - 1]!;
    for (; at + 1 < ascending.length && ascending[at + 1]! < value; at++) ascending[at] = ascending[at + 1]!;
    ascending[at] = value;
  }

  get median(): number {
    return this.quantile(0.5);
  }

  /** @param p 0 to 1. @returns NaN where nothing was measured. */
  quantile(p: number): number {
    const { length } = this.#ascending;
    return this.#ascending[Math.min(length - 1, Math.floor(p * length))] ?? Number.NaN;
  }
}
