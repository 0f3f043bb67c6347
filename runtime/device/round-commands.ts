/** The command buffers of rounds: what a round submits, from the tensors it reads to the outputs it leaves. Submits nothing. */
import { type BoundProgram, CommandWriter, encodeRound } from "./bound-program.ts";
import type { PendingRun } from "./pending-run.ts";
import { copyOutputs, type OutputPlan } from "./tensor-io.ts";

/** What a round is encoded from; all by run. */
export interface RoundSource {
  readonly bound: readonly BoundProgram[];
  readonly outputs: OutputPlan;
  /** Undefined where there are no outputs. */
  readonly staging: GPUBuffer | undefined;
  /** Empty where they are to come, and take and give bytes. */
  readonly runs: readonly PendingRun[];
}

export function encodeRoundCommands(
  device: GPUDevice,
  { bound, outputs, staging, runs }: RoundSource,
): GPUCommandBuffer {
  const commands = new CommandWriter(device.createCommandEncoder());
  for (const [i, { tensors }] of runs.entries()) tensors?.copyIn(commands.encoder, bound[i]!.inputs);
  encodeRound(commands, bound);
  commands.endPass();
  for (const [i, ranges] of outputs.offsets.entries())
    if (staging) copyOutputs(commands.encoder, bound[i]!.outputs, ranges, staging);
  for (const [i, { tensors }] of runs.entries()) tensors?.copyOut(commands.encoder, bound[i]!.outputs);
  return commands.encoder.finish();
}

/** What goes before a run that was encoded ahead: the tensors that it reads. */
export function encodeTensorInputs(
  device: GPUDevice,
  { tensors }: PendingRun,
  bound: BoundProgram,
): readonly GPUCommandBuffer[] {
  if (tensors === undefined) return [];
  const encoder = device.createCommandEncoder();
  tensors.copyIn(encoder, bound.inputs);
  return [encoder.finish()];
}
