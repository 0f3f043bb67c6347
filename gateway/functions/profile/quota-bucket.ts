/**
 * A token bucket of device time. It fills with a share of the time that passes; a run may start while it is not in debt,
 * and is charged when it has ended, as nobody knows before how long it takes. No clock of its own.
 */
export class QuotaBucket {
  readonly #quota: number;
  readonly #mostMs: number;
  #tokensMs = 0;
  #filledAt: number;

  /**
   * @param quota share of the device's time, in (0, 1]; with 1 nothing ever waits.
   * @param windowMs time whose tokens it holds: what was not used longer ago is lost.
   */
  constructor(quota: number, windowMs: number, now: number) {
    this.#quota = quota;
    this.#mostMs = quota * windowMs;
    this.#filledAt = now;
  }

  /** Milliseconds until a run may start; 0: at once. */
  waitMs(now: number): number {
    if (this.#quota >= 1) return 0;
    this.#fill(now);
    return this.#tokensMs >= 0 ? 0 : -this.#tokensMs / this.#quota;
  }

  charge(ms: number, now: number): void {
    this.#fill(now);
    this.#tokensMs -= ms;
  }

  #fill(now: number): void {
    this.#tokensMs = Math.min(this.#mostMs, this.#tokensMs + (now - this.#filledAt) * this.#quota);
    this.#filledAt = now;
  }
}
