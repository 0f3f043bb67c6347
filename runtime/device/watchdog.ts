/**
 * Notices work that the GPU does not finish. The queue works in the order of submission, so only the oldest entry is
 * timed, from the moment when it became the oldest.
 */
export interface Watched {
  /** The GPU is done with it. */
  end(): void;
}

interface Entry {
  readonly limitMs: number;
  readonly onStuck: () => void;
}

/** The longest that a timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

export class Watchdog {
  readonly #entries: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Work that was just submitted. @param onStuck called once, where it takes longer than the limit. */
  watch(limitMs: number, onStuck: () => void): Watched {
    const entry = { limitMs, onStuck };
    this.#entries.push(entry);
    if (this.#entries.length === 1) this.#arm();
    return { end: () => this.#end(entry) };
  }

  #end(entry: Entry): void {
    const index = this.#entries.indexOf(entry);
    if (index < 0) return;
    this.#entries.splice(index, 1);
    if (index === 0) this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const [oldest] = this.#entries;
    if (oldest === undefined || oldest.limitMs > maxTimerMs) return;
    this.#timer = setTimeout(oldest.onStuck, oldest.limitMs);
  }
}
