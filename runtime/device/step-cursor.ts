/** A place in a Program's steps: goes through them in their order, those of a repeat as often as it says. Encodes nothing. */
import type { Block, BoundStep } from "./bound-program.ts";

export class StepCursor {
  readonly #blocks: readonly Block[];
  #block = 0;
  #round = 0;
  #step = 0;

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  next(): BoundStep | undefined {
    for (;;) {
      const block = this.#blocks[this.#block];
      if (block === undefined) return undefined;
      if (this.#step < block.steps.length && this.#round < block.rounds) return block.steps[this.#step++];
      this.#step = 0;
      if (++this.#round >= block.rounds) {
        this.#round = 0;
        this.#block++;
      }
    }
  }
}
