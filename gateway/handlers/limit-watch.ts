/**
 * Looks at what processes use, a processor's time and memory: often while they have something to do, and now and then
 * while they should have nothing. What is too much, each of them says itself.
 */
import { getLogger } from "@logtape/logtape";
import type { ProcessUsage } from "../../runtime/platform/platform.ts";

export interface Watched {
  /** It has something to do. */
  readonly isActive: boolean;
  /** Undefined where it is gone. */
  usage(): Promise<ProcessUsage | undefined>;
  check(usage: ProcessUsage): void;
}

/** A handler that fills memory does so by about 2 GB/s: it gets a tenth of that beyond its limit. */
const intervalMs = 50;
/** Of those that have nothing to do: a look takes 0.03 ms. */
const idleIntervalMs = 250;
const log = getLogger(["dawnlet", "handlers"]);

export class LimitWatch {
  readonly #watched = new Set<Watched>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSlow = false;
  #isLooking = false;
  #idleAtMs = 0;
  #isStopped = false;

  add(watched: Watched): void {
    this.#watched.add(watched);
    this.wake();
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
  }

  /** One of them has become active. */
  wake(): void {
    if (this.#isLooking || (this.#timer !== undefined && !this.#isSlow)) return;
    this.#lookIn(intervalMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#watched.clear();
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isStopped || this.#watched.size === 0) return;
    this.#isSlow = ms > intervalMs;
    this.#timer = setTimeout(() => void this.#look(), ms);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const now = performance.now();
    const looksAtIdle = now - this.#idleAtMs >= idleIntervalMs - intervalMs / 2;
    if (looksAtIdle) this.#idleAtMs = now;
    for (const watched of [...this.#watched]) {
      if (!watched.isActive && !looksAtIdle) continue;
      try {
        const usage = await watched.usage();
        if (usage !== undefined && this.#watched.has(watched)) watched.check(usage);
      } catch (error) {
        log.warn("what a handler uses cannot be measured: {error}", { error });
      }
    }
    this.#isLooking = false;
    const isAnyActive = this.#watched.values().some(({ isActive }) => isActive);
    this.#lookIn(isAnyActive ? intervalMs : idleIntervalMs);
  }
}
