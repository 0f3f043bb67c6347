/** How long runs of one function take on devices of one class, by batch size: measured, or inferred from other sizes. */
import { Samples } from "./samples.ts";

/** Before anything was measured: a small model on a usual GPU. */
export const assumedRunMs = 10;

export class RunTimes {
  /** By rows. */
  readonly #byBatch: (Samples | undefined)[] = [];
  /** Medians by rows; NaN where nobody has asked since the last measurement. Without holes: it is read all the time. */
  readonly #medians: number[] = [Number.NaN, Number.NaN];
  /** Parts of runs that were left when their weights had come, 0 to 1. */
  readonly #coldTails = new Samples();

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

  /** @param part of a run that was still to go when its weights had come, 0 to 1. */
  coldTailMeasured(part: number): void {
    this.#coldTails.add(part);
  }

  /**
   * What is left of a run when its weights have come, on a device that had nothing else to do meanwhile: the rest went along
   * with their coming. 0 where nobody has seen it.
   */
  coldTailMs(rows: number): number {
    return this.#coldTails.isEmpty ? 0 : this.#coldTails.median * this.median(rows);
  }

  /** Whether this size was tried. */
  isMeasured(rows: number): boolean {
    return this.#byBatch[rows] !== undefined;
  }

  /** What was measured, or known, by rows. */
  *known(): Iterable<readonly [rows: number, medianMs: number]> {
    for (const [rows, samples] of this.#byBatch.entries()) if (samples) yield [rows, samples.median];
  }

  /**
   * Of a size that was never tried: on the line between the next smaller and the next larger one that were, in
   * proportion to the largest beyond it, as the smallest below it. A larger batch is never expected to be faster than
   * a smaller one, as far as nobody measured that it is.
   */
  #infer(rows: number, p: number): number {
    const tried = this.#byBatch;
    let below = Math.min(rows, tried.length - 1);
    while (below > 0 && tried[below] === undefined) below--;
    let above = rows;
    while (above < tried.length && tried[above] === undefined) above++;
    const belowMs = tried[below]?.quantile(p);
    const aboveMs = tried[above]?.quantile(p);
    if (belowMs === undefined) return aboveMs ?? assumedRunMs * rows;
    if (aboveMs === undefined) return (belowMs * rows) / below;
    if (above === below) return belowMs;
    return belowMs + ((aboveMs - belowMs) * (rows - below)) / (above - below);
  }
}
