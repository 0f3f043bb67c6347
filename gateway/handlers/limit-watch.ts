/**
 * Looks at what processes use while they have something to do: a processor's time and memory. What is too much, each of
 * them says itself.
 */
import { getLogger } from "@logtape/logtape";
import type { ProcessUsage } from "../../runtime/platform/platform.ts";

export interface Watched {
  /** Nothing to look at where it is false. */
  readonly isActive: boolean;
  /** Undefined where it is gone. */
  usage(): Promise<ProcessUsage | undefined>;
  check(usage: ProcessUsage): void;
}

/** A handler that fills memory does so by about 2 GB/s: it gets a tenth of that beyond its limit. */
const intervalMs = 50;
const log = getLogger(["dawnlet", "handlers"]);

export class LimitWatch {
  readonly #watched = new Set<Watched>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  add(watched: Watched): void {
    this.#watched.add(watched);
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
  }

  /** One of them has become active. */
  wake(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#look(), intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#watched.clear();
  }

  async #look(): Promise<void> {
    let isAnyActive = false;
    for (const watched of [...this.#watched]) {
      if (!watched.isActive) continue;
      isAnyActive = true;
      try {
        const usage = await watched.usage();
        if (usage !== undefined && this.#watched.has(watched)) watched.check(usage);
      } catch (error) {
        log.warn("what a handler uses cannot be measured: {error}", { error });
      }
    }
    this.#timer = undefined;
    if (isAnyActive) this.wake();
  }
}
