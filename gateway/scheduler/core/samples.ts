/**
 * The last few measurements of one quantity, and their quantiles: what comes is more like what was lately than like the
 * mean of all time, and one outlier (a first run, a busy neighbour) moves a median by nothing.
 */

/** Enough for a 90th percentile, few enough to forget within a minute of traffic. */
const kept = 16;

export class Samples {
  readonly #ring: number[] = [];
  #next = 0;
  /** Ascending; made when it is asked for. */
  #sorted: number[] | undefined;

  /** @param known stands for measurements until there are some. */
  constructor(known?: number) {
    if (known !== undefined) this.#ring.push(known);
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0;
  }

  add(value: number): void {
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % kept;
    this.#sorted = undefined;
  }

  get median(): number {
    return this.quantile(0.5);
  }

  /** @param p 0 to 1. @returns NaN where nothing was measured. */
  quantile(p: number): number {
    this.#sorted ??= this.#ring.toSorted((a, b) => a - b);
    const sorted = this.#sorted;
    return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
  }
}
