/** Times between the last calls of one function, and their quantiles. */

/** Enough for a 99th percentile that is not the largest of all. */
const kept = 500;

export class InterArrivals {
  /** In the order in which they came, from `#next` on. */
  readonly #ring: number[] = [];
  readonly #ascending: number[] = [];
  #next = 0;
  #lastMs: number | undefined;

  arrived(nowMs: number): void {
    if (this.#lastMs !== undefined) this.#add(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /** Milliseconds; the smallest that p of them do not exceed. @returns undefined before the second call. */
  quantile(p: number): number | undefined {
    const count = this.#ascending.length;
    return this.#ascending[Math.max(0, Math.ceil(p * count) - 1)];
  }

  /** Kept in order all the time: it is asked for far more often than sorting would be cheap. */
  #add(gapMs: number): void {
    const oldest = this.#ring[this.#next];
    if (oldest !== undefined) this.#ascending.splice(this.#placeOf(oldest), 1);
    this.#ring[this.#next] = gapMs;
    this.#next = (this.#next + 1) % kept;
    this.#ascending.splice(this.#placeOf(gapMs), 0, gapMs);
  }

  /** Of the first that is not smaller. */
  #placeOf(gapMs: number): number {
    let low = 0;
    let high = this.#ascending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ascending[middle]! < gapMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
