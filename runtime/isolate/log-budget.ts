/**
 * How many lines a handler may write to its log: some at once, and so many a second. Those beyond are dropped, and how
 * many they were is said once a second. Counted in the handler's process, so that they cost nobody anything, and again in
 * the gateway, as code of strangers need not count.
 */
export interface LogBudgetOptions {
  /** Lines at once. */
  readonly burst: number;
  readonly perSecond: number;
  readonly onDropped: (lines: number) => void;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

const reportMs = 1000;
/** Of one instance. */
export const logLines = { burst: 1000, perSecond: 100 };

export class LogBudget {
  readonly #options: LogBudgetOptions;
  readonly #now: () => number;
  #left: number;
  #at: number;
  #dropped = 0;

  constructor(options: LogBudgetOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#left = options.burst;
    this.#at = this.#now();
  }

  /** @returns false for a line that is to be dropped. */
  take(): boolean {
    const { burst, perSecond } = this.#options;
    const now = this.#now();
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#left >= 1) {
      this.#left--;
      return true;
    }
    if (this.#dropped++ === 0) this.#reportLater();
    return false;
  }

  #reportLater(): void {
    const timer: { unref?: () => void } | number = setTimeout(() => {
      const dropped = this.#dropped;
      this.#dropped = 0;
      this.#options.onDropped(dropped);
    }, reportMs);
    if (typeof timer === "object") timer.unref?.();
  }
}
