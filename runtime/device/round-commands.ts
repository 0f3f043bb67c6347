/** The command buffers of rounds: what a round submits, from the tensors it reads to the outputs it leaves. Submits nothing. */
import type { BoundProgram } from "./bound-program.ts";
import { CommandWriter } from "./command-writer.ts";
import type { GpuSpan } from "./gpu-clock.ts";
import type { PendingRun } from "./pending-run.ts";
import { StepCursor } from "./step-cursor.ts";
import { copyOutputs, type OutputPlan } from "./tensor-io.ts";

/** What a round is encoded from; all by run. */
export interface RoundSource {
  readonly bound: readonly BoundProgram[];
  readonly outputs: OutputPlan;
  /** Undefined where nothing is to come back. */
  readonly staging: GPUBuffer | undefined;
  /** Times the round; what it says goes behind the outputs. */
  readonly span?: GpuSpan | undefined;
  /** Empty where they are to come, and take and give bytes: `encodeLeadIn` goes before them then. */
  readonly runs: readonly PendingRun[];
}

export function encodeRoundCommands(
  device: GPUDevice,
  { bound, outputs, staging, span, runs }: RoundSource,
): GPUCommandBuffer {
  const commands = new CommandWriter(device.createCommandEncoder(), span);
  for (const [i, { tensors }] of runs.entries()) {
    for (const clear of bound[i]!.takeover) commands.transfer(clear);
    tensors?.copyIn(commands.encoder, bound[i]!.inputs);
  }
  encodeSteps(commands, bound);
  commands.endPass();
  for (const [i, ranges] of outputs.offsets.entries())
    if (staging) copyOutputs(commands.encoder, bound[i]!.outputs, ranges, staging);
  if (staging) span?.copyTo(commands.encoder, staging, outputs.totalBytes);
  for (const [i, { tensors }] of runs.entries()) tensors?.copyOut(commands.encoder, bound[i]!.outputs);
  return commands.encoder.finish();
}

/** What goes before a run that was encoded ahead: its takeover, and the tensors that it reads. */
export function encodeLeadIn(
  device: GPUDevice,
  { tensors }: PendingRun,
  { takeover, inputs }: BoundProgram,
): readonly GPUCommandBuffer[] {
  if (tensors === undefined && takeover.length === 0) return [];
  const commands = new CommandWriter(device.createCommandEncoder());
  for (const clear of takeover) commands.transfer(clear);
  tensors?.copyIn(commands.encoder, inputs);
  return [commands.encoder.finish()];
}

/**
 * The clears of all runs first, then their steps in lockstep. Dispatches of different runs touch different buffers, so
 * no barrier stands between them and small kernels fill the GPU together.
 */
function encodeSteps(commands: CommandWriter, programs: readonly BoundProgram[]): void {
  for (const { prologue } of programs) for (const clear of prologue) commands.transfer(clear);
  if (programs.length === 1) {
    encodeAlone(commands, programs[0]!);
    return;
  }
  let cursors = programs.map(({ blocks }) => new StepCursor(blocks));
  while (cursors.length > 0) {
    const going: StepCursor[] = [];
    for (const cursor of cursors) {
      const step = cursor.next();
      if (step === undefined) continue;
      commands.step(step);
      going.push(cursor);
    }
    cursors = going;
  }
}

function encodeAlone(commands: CommandWriter, { blocks }: BoundProgram): void {
  for (const { rounds, steps } of blocks) {
    for (let round = 0; round < rounds; round++) {
      for (const step of steps) commands.step(step);
    }
  }
}
