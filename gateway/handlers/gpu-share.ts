/** A share of the GPU's time: within each window of some seconds its owner may use so much of them. */

const windowMs = 10_000;

export class GpuShare {
  readonly #allowedMs: number;
  /** What was used by when, oldest first; the first is older than the window. */
  #seen: { readonly atMs: number; readonly usedMs: number }[] = [];
  #usedMs = 0;
  #reportedMs = 0;

  /** @param share above 0, at most 1: of a whole GPU, which is not limited. */
  constructor(share: number) {
    this.#allowedMs = share < 1 ? share * windowMs : Number.POSITIVE_INFINITY;
  }

  /** @param reportedMs for which the GPU has worked for the owner; begins again at 0 where it had nothing left on it. */
  isWithin(reportedMs: number, nowMs: number): boolean {
    if (this.#seen.length === 0) this.#seen.push({ atMs: nowMs, usedMs: 0 });
    this.#usedMs += reportedMs < this.#reportedMs ? reportedMs : reportedMs - this.#reportedMs;
    this.#reportedMs = reportedMs;
    this.#seen.push({ atMs: nowMs, usedMs: this.#usedMs });
    const first = this.#seen.findLastIndex(({ atMs }) => atMs <= nowMs - windowMs);
    if (first > 0) this.#seen.splice(0, first);
    return this.#usedMs - this.#seen[0]!.usedMs <= this.#allowedMs;
  }
}
