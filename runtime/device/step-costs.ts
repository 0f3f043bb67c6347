/**
 * What each step of a Program costs on the GPU: guessed from its workgroups, then learned from the parts in which runs
 * were cut. Pure bookkeeping over numbers.
 */
import { flatSteps, type SimpleStep } from "../../kernels/program/analyze.ts";
import type { Program } from "../../kernels/program/program.ts";

/** How much of a part's error goes into its steps at once. */
const newShare = 0.5;
/** One measurement changes a step by this factor at most. */
const maxChange = 8;

export class StepCosts {
  /** By place in `flatSteps(program)`, in milliseconds; of a step in a repeat, each time that it comes. */
  readonly ms: Float64Array;

  /** @param totalMs of a whole run. */
  constructor(program: Program, totalMs: number) {
    const steps = flatSteps(program);
    const counts = program.steps.flatMap((step) =>
      step.type === "repeat" ? step.steps.map(() => step.count) : [1],
    );
    const guessed = steps.map(guess);
    const sum = guessed.reduce((all, cost, i) => all + cost * counts[i]!, 0);
    this.ms = Float64Array.from(guessed, (cost) => (cost / sum) * totalMs);
  }

  /** @param steps that a part consisted of, one as often as it was there. @param measuredMs what they took together. */
  learn(steps: readonly number[], measuredMs: number): void {
    let expectedMs = 0;
    for (const step of steps) expectedMs += this.ms[step]!;
    if (expectedMs <= 0 || measuredMs <= 0) return;
    const ratio = Math.min(maxChange, Math.max(1 / maxChange, measuredMs / expectedMs));
    const factor = ratio ** newShare;
    for (const step of new Set(steps)) this.ms[step]! *= factor;
  }
}

/** In no unit: half for being there, half for the work that it states, which shaders may multiply by loops of their own. */
function guess(step: SimpleStep): number {
  switch (step.type) {
    case "dispatch":
      return 1 + step.workgroups.reduce((product, count) => product * count, 1) / 64;
    case "copy":
    case "clear":
      return 0.25 + step.sizeBytes / 2 ** 20;
    default:
      return step satisfies never;
  }
}
