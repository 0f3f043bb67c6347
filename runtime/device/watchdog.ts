/**
 * Notices work that the GPU does not finish, and how long it took. The queue works in the order of submission, so only
 * the oldest entry is timed, from the moment when it became the oldest.
 */
export interface Watched {
  /** The GPU is done with it. @returns milliseconds for which it was the oldest; 0 where that was said before. */
  end(): number;
}

/** Milliseconds. A function where what came before has its part in it: it is asked when the work becomes the oldest. */
export type WatchLimit = number | (() => number);

interface Entry {
  readonly limit: WatchLimit;
  readonly onStuck: () => void;
}

/** The longest that a timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

export class Watchdog {
  readonly #entries: Entry[] = [];
  /** When the oldest became so. */
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Work that was just submitted. @param onStuck called once, where it takes longer than the limit. */
  watch(limit: WatchLimit, onStuck: () => void): Watched {
    const entry = { limit, onStuck };
    this.#entries.push(entry);
    if (this.#entries.length === 1) this.#arm();
    return { end: () => this.#end(entry) };
  }

  #end(entry: Entry): number {
    const index = this.#entries.indexOf(entry);
    if (index < 0) return 0;
    this.#entries.splice(index, 1);
    if (index > 0) return 0;
    const since = this.#since;
    this.#arm();
    return this.#since - since;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#since = performance.now();
    const [oldest] = this.#entries;
    if (oldest === undefined) return;
    const limitMs = typeof oldest.limit === "number" ? oldest.limit : oldest.limit();
    if (limitMs <= maxTimerMs) this.#timer = setTimeout(oldest.onStuck, Math.max(0, limitMs));
  }
}
