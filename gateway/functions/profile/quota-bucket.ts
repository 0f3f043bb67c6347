/**
 * A token bucket of device time. It fills with a share of the time that passes; a run may start while it is not in debt,
 * and is charged when it has ended, as nobody knows before how long it takes. No clock of its own.
 */
export class QuotaBucket {
  readonly #quota: number;
  readonly #mostMs: number;
  /** At the last charge. */
  #tokensMs = 0;
  #chargedAt: number;

  /**
   * @param quota share of the device's time, in (0, 1]; with 1 nothing ever waits.
   * @param windowMs time whose tokens it holds after a run: what was not used longer ago is lost.
   */
  constructor(quota: number, windowMs: number, now: number) {
    this.#quota = quota;
    this.#mostMs = quota * windowMs;
    this.#chargedAt = now;
  }

  /** Milliseconds until a run may start; 0: at once. */
  waitMs(now: number): number {
    if (this.#quota >= 1) return 0;
    return Math.max(0, -this.#filledMs(now) / this.#quota);
  }

  /**
   * @param ms that runs had of the device until now, and that was not charged before. It is taken off before the bucket
   * overflows: tokens that came in during a run longer than the window are its own.
   */
  charge(ms: number, now: number): void {
    this.#tokensMs = Math.min(this.#mostMs, this.#filledMs(now) - ms);
    this.#chargedAt = now;
  }

  #filledMs(now: number): number {
    return this.#tokensMs + (now - this.#chargedAt) * this.#quota;
  }
}
