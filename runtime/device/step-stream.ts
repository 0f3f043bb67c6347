/**
 * The steps of one run, encoded in parts: as far as its weights have come, and as much as fits into a slice of the
 * GPU's time. Where the next part begins is all that it remembers.
 */
import type { BoundProgram, BoundStep } from "./bound-program.ts";
import type { CommandWriter } from "./command-writer.ts";
import { StepCursor } from "./step-cursor.ts";

/** How far a part goes. */
export interface PartLimit {
  /** Weights, in the order of first use, that are there. */
  readonly written: number;
  /** Milliseconds that the part may take by `costMs`, one step at least. Left out: as far as the weights go. */
  readonly sliceMs?: number;
  /** By step as `BoundStep.at` counts them, in milliseconds. */
  readonly costMs?: ArrayLike<number>;
}

export class StepStream {
  readonly #bound: BoundProgram;
  readonly #cursor: StepCursor;
  #next: BoundStep | undefined;
  #isBegun = false;

  constructor(bound: BoundProgram) {
    this.#bound = bound;
    this.#cursor = new StepCursor(bound.blocks);
    this.#next = this.#cursor.next();
  }

  /** Weights that must be there before it can go on; undefined where all steps were encoded. */
  get needs(): number | undefined {
    return this.#next?.needs;
  }

  /** @returns `BoundStep.at` of the steps that it encoded, in their order; one of a repeat as often as it comes. */
  encode(commands: CommandWriter, { written, sliceMs, costMs }: PartLimit): readonly number[] {
    if (!this.#isBegun) for (const clear of this.#bound.prologue) commands.transfer(clear);
    this.#isBegun = true;
    const encoded: number[] = [];
    let usedMs = 0;
    for (let step = this.#next; step !== undefined && step.needs <= written; ) {
      if (sliceMs !== undefined && costMs !== undefined) {
        usedMs += costMs[step.at]!;
        if (encoded.length > 0 && usedMs > sliceMs) break;
      }
      commands.step(step);
      encoded.push(step.at);
      step = this.#cursor.next();
      this.#next = step;
    }
    return encoded;
  }
}
