/** How long runs of one function take on devices of one class, by batch size: measured, or inferred from other sizes. */
import { Samples } from "./samples.ts";

/** Before anything was measured: a small model on a usual GPU. */
export const assumedRunMs = 10;

export class RunTimes {
  /** By rows. */
  readonly #byBatch: (Samples | undefined)[] = [];
  /** Medians by rows; NaN where nobody has asked since the last measurement. Without holes: it is read all the time. */
  readonly #medians: number[] = [Number.NaN, Number.NaN];

  /** @param known from a profile or an earlier life; measurements replace it. */
  know(rows: number, runMs: number): void {
    this.#byBatch[rows] ??= new Samples(runMs);
    this.#medians.fill(Number.NaN);
  }

  measured(rows: number, runMs: number): void {
    const samples = this.#byBatch[rows] ?? new Samples();
    samples.add(runMs);
    this.#byBatch[rows] = samples;
    this.#medians.fill(Number.NaN);
  }

  /** Half of such runs take no longer. */
  median(rows: number): number {
    while (this.#medians.length <= rows) this.#medians.push(Number.NaN);
    let median = this.#medians[rows]!;
    if (Number.isNaN(median)) {
      median = this.#infer(rows, 0.5);
      this.#medians[rows] = median;
    }
    return median;
  }

  /** @param p 0 to 1. */
  quantile(rows: number, p: number): number {
    return this.#infer(rows, p);
  }

  /** Whether this size was tried. */
  isMeasured(rows: number): boolean {
    return this.#byBatch[rows] !== undefined;
  }

  /** What was measured, or known, by rows. */
  *known(): Iterable<readonly [rows: number, medianMs: number]> {
    for (const [rows, samples] of this.#byBatch.entries()) if (samples) yield [rows, samples.median];
  }

  /** Of a size that was never tried: in proportion to the next smaller one that was, else at most the next larger. */
  #infer(rows: number, p: number): number {
    for (let at = rows; at > 0; at--) {
      const samples = this.#byBatch[at];
      if (samples !== undefined) return (samples.quantile(p) * rows) / at;
    }
    const larger = this.#byBatch.find((samples) => samples !== undefined);
    return larger?.quantile(p) ?? assumedRunMs * rows;
  }
}
