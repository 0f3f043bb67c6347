/**
 * Holds: what a deploy writes is not yet named by any record, and must survive a collection that runs
 * meanwhile. While a hold is open, every digest that is written or written again is remembered.
 */
export class Holds {
  readonly #digests = new Set<string>();
  #open = 0;

  /** Dispose it once a record names what was written, or when the deploy failed. */
  hold(): Disposable {
    this.#open += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#open -= 1;
        if (this.#open === 0) this.#digests.clear();
      },
    };
  }

  /** Says that a digest is being written now. */
  note(digest: string): void {
    if (this.#open > 0) this.#digests.add(digest);
  }

  has(digest: string): boolean {
    return this.#digests.has(digest);
  }
}
