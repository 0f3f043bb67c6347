/**
 * How much of its quota a function has used: milliseconds on its device, window by window. A run cannot be stopped
 * halfway, so what it took beyond the limit of its window is taken off the next ones: over many windows nobody has more
 * than its limit, however long its runs are.
 */
import type { FunctionState } from "../core/function-state.ts";

interface Account {
  window: number;
  usedMs: number;
}

export class QuotaTimes {
  readonly #windowMs: number;
  readonly #accounts = new WeakMap<FunctionState, Account>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** @param ms less than 0 to correct what was expected. */
  use(fn: FunctionState, ms: number, now: number): void {
    const account = this.#accountOf(fn, now);
    account.usedMs = Math.max(0, account.usedMs + ms);
  }

  /** Of this window. */
  usedMs(fn: FunctionState, now: number): number {
    return this.#accountOf(fn, now).usedMs;
  }

  /** How far it is below what it can count on, in this window; negative where it had more. */
  missingMs(fn: FunctionState, now: number): number {
    return (fn.spec.quota?.request ?? 0) * this.#windowMs - this.usedMs(fn, now);
  }

  /** Point in time from which on it may run: now, or a later window's beginning. */
  mayRunAt(fn: FunctionState, now: number): number {
    const { window, usedMs } = this.#accountOf(fn, now);
    const limitMs = this.#limitMs(fn);
    if (usedMs < limitMs) return now;
    return (window + Math.floor(usedMs / limitMs)) * this.#windowMs;
  }

  #limitMs(fn: FunctionState): number {
    return (fn.spec.quota?.limit ?? 1) * this.#windowMs;
  }

  #accountOf(fn: FunctionState, now: number): Account {
    const window = Math.floor(now / this.#windowMs);
    let account = this.#accounts.get(fn);
    if (account === undefined) {
      account = { window, usedMs: 0 };
      this.#accounts.set(fn, account);
    }
    if (account.window < window) {
      account.usedMs = Math.max(0, account.usedMs - (window - account.window) * this.#limitMs(fn));
      account.window = window;
    }
    return account;
  }
}
