/**
 * How much work a device has before it: what was given to it and has not ended, less the time since it last finished
 * something. So an estimate that was wrong is wrong about what runs now, and forgotten when that has ended.
 */

export class Backlog {
  /** Expected, of all that has not ended. */
  #givenMs = 0;
  #runs = 0;
  #since = 0;

  /** When something ended last, or work came where there was none. */
  get since(): number {
    return this.#since;
  }

  /** Those that have not ended. */
  get runs(): number {
    return this.#runs;
  }

  get isEmpty(): boolean {
    return this.#runs === 0;
  }

  add(ms: number, now: number): void {
    if (this.#runs++ === 0) this.#since = now;
    this.#givenMs += ms;
  }

  /** @param ms as it was added. */
  ended(ms: number, now: number): void {
    this.#since = now;
    // Sums of fractions leave something behind.
    this.#givenMs = --this.#runs === 0 ? 0 : Math.max(0, this.#givenMs - ms);
  }

  /** Something else had the device for so long: what runs now has not come as far as the time says. */
  delayed(ms: number, now: number): void {
    this.#since = Math.min(now, this.#since + ms);
  }

  /** Milliseconds. What runs longer than expected ends at once, the rest stays: at least the part of all but one. */
  leftMs(now: number): number {
    if (this.#runs === 0) return 0;
    const oneMs = this.#givenMs / this.#runs;
    return this.#givenMs - Math.min(now - this.#since, oneMs);
  }
}
