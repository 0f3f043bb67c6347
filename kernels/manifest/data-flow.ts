/**
 * What the steps of a plan write and read, in their order: every output is written, and nothing is read before a step
 * can have written it. A `read_write` binding counts as a write, since its shader may do either.
 * Sizes decide at a call which steps run; what is refused here is wrong whatever they are.
 */
import { DawnletError } from "../errors.ts";
import { isWritable } from "./fit.ts";
import type { PlannedBuffer, PlannedSimpleStep, PlannedStep } from "./plan.ts";

interface Use {
  readonly buffer: PlannedBuffer;
  readonly writes: boolean;
  /** Path in the manifest, such as `steps[1].bind.x`. */
  readonly where: string;
}

/** @throws DawnletError INVALID_BUNDLE naming the output that no step writes. */
export function checkOutputsAreWritten(
  buffers: readonly PlannedBuffer[],
  steps: readonly PlannedStep[],
): void {
  const uses = steps.flatMap(simpleSteps).flatMap(usesOf);
  const written = new Set(uses.filter(({ writes }) => writes).map(({ buffer }) => buffer));
  for (const buffer of buffers) {
    if (buffer.role === "output" && !written.has(buffer))
      throw invalid(`outputs.${buffer.name}`, "no step writes it");
  }
}

/**
 * Such a read sees zeros, because memory is cleared before a function could see another's bytes: no danger, but not
 * what anybody meant. In a repeat the first round decides.
 * @throws DawnletError INVALID_BUNDLE naming the step and the tensor that it reads too early.
 */
export function checkReadsFollowWrites(steps: readonly PlannedStep[]): void {
  const written = new Set<PlannedBuffer>();
  for (const step of steps) {
    for (const simple of simpleSteps(step)) {
      const uses = usesOf(simple);
      const early = uses.find(({ buffer, writes }) => !writes && isWritable(buffer) && !written.has(buffer));
      if (early !== undefined) throw tooEarly(step, simple, early);
      for (const { buffer, writes } of uses) if (writes) written.add(buffer);
    }
  }
}

function simpleSteps(step: PlannedStep): readonly PlannedSimpleStep[] {
  return step.type === "repeat" ? step.steps : [step];
}

function usesOf(step: PlannedSimpleStep): readonly Use[] {
  const { where } = step;
  switch (step.type) {
    case "dispatch":
      return step.bindings.flatMap(({ layout: { access, variable }, target }) =>
        target.type === "block"
          ? []
          : { buffer: target.buffer, writes: access === "read_write", where: `${where}.bind.${variable}` },
      );
    case "copy":
      return [
        { buffer: step.from, writes: false, where: `${where}.copy.from` },
        { buffer: step.to, writes: true, where: `${where}.copy.to` },
      ];
    case "clear":
      return [{ buffer: step.buffer, writes: true, where: `${where}.clear` }];
    default:
      return step satisfies never;
  }
}

/** @param outer the step itself, or the repeat around it: a clear inside would wipe each round. */
function tooEarly(outer: PlannedStep, step: PlannedSimpleStep, { buffer, where }: Use): DawnletError {
  const { name, role } = buffer;
  const reader = step.type === "dispatch" ? `kernel '${step.kernel.name}'` : "the copy";
  const inRound = outer.type === "repeat" ? " in the first round" : "";
  return invalid(
    where,
    `${reader} reads ${role} '${name}'${inRound} before any step can have written it: add a step {"clear": "${name}"} before ${outer.where}, or write it first`,
  );
}

/** What is wrong with the manifest alone, by the path in it. */
export function invalid(where: string, what: string): DawnletError {
  return new DawnletError("INVALID_BUNDLE", `Cannot use ${where} of function.json: ${what}`);
}
