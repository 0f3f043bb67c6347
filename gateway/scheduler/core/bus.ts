/**
 * The way of several devices to host memory, which all that load at a time share equally: for how long a load has had it
 * for itself, so to speak. A load that shares with one other for 8 ms has had 4.
 */
export class Bus {
  /** Weights that are coming in. */
  loads = 0;
  #ownMs = 0;
  #at = 0;

  begin(now: number): void {
    this.#advance(now);
    this.loads++;
  }

  end(now: number): void {
    this.#advance(now);
    this.loads--;
  }

  /** Since the beginning; differences are of use. */
  ownMs(now: number): number {
    this.#advance(now);
    return this.#ownMs;
  }

  #advance(now: number): void {
    if (this.loads > 0) this.#ownMs += (now - this.#at) / this.loads;
    this.#at = now;
  }
}
