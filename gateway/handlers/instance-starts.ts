/** How many instances of handlers were started, and how long that took: of one function, or of all. */
export class InstanceStarts {
  #count = 0;
  #failed = 0;
  /** The newest last. */
  #recentMs: number[] = [];
  /** Instances that there are. */
  live = 0;

  get count(): number {
    return this.#count;
  }

  get failed(): number {
    return this.#failed;
  }

  /** Of the last that succeeded, in milliseconds; undefined before the first. */
  get medianMs(): number | undefined {
    const sorted = this.#recentMs.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  /** @param ms from the request for an instance to its being ready. */
  started(ms: number): void {
    this.#count++;
    this.live++;
    this.#recentMs.push(ms);
    if (this.#recentMs.length > mostRecent) this.#recentMs.shift();
  }

  didNotStart(): void {
    this.#failed++;
  }

  ended(): void {
    this.live--;
  }
}

const mostRecent = 63;
