/**
 * Runs whose weights are still coming in: each goes alone, in parts, every step submitted behind the weights that it
 * reads, so that executing overlaps uploading. Where no lane is free for that a run waits for all of its weights, and
 * goes into a round.
 */
import { CommandWriter, StepStream } from "./bound-program.ts";
import { Lane } from "./lane.ts";
import type { Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { PendingRun } from "./pending-run.ts";
import type { Submissions } from "./submissions.ts";
import { copyOutputs, planOutputs, writeInputs } from "./tensor-io.ts";

/** Runs that go in parts at a time: each has a lane of its own from its first part to its last. */
const maxStreams = 2;

export interface RunStreamsOptions {
  readonly device: GPUDevice;
  readonly ledger: Ledger;
  readonly submissions: Submissions;
  /** The first number that is free for a lane. */
  readonly firstLane: number;
  /** Takes a run whose weights are there. */
  readonly enqueue: (run: PendingRun) => void;
}

export class RunStreams {
  readonly #options: RunStreamsOptions;
  /** Those that are free. */
  readonly #lanes: Lane[] = [];
  /** Runs that wait for weights, or go in parts. */
  readonly #comingIn = new Set<PendingRun>();
  #going = 0;

  constructor(options: RunStreamsOptions) {
    this.#options = options;
  }

  /** Runs that wait for weights, or have parts that are not submitted. */
  get comingIn(): number {
    return this.#comingIn.size;
  }

  get lanes(): number {
    return this.#lanes.length + this.#going;
  }

  /** Has the Program's weights brought in; while they come it runs in parts, where a lane is free for that. */
  async bringIn(run: PendingRun): Promise<void> {
    const { program } = run;
    const { submissions, enqueue } = this.#options;
    this.#comingIn.add(run);
    try {
      const whole = program.load();
      // Heard below, unless something else fails first.
      whole.catch(() => undefined);
      await program.compile();
      const lane = program.isReady || program.isStreaming ? undefined : this.#takeLane(program);
      if (lane === undefined) {
        await whole;
        run.loadedAt = performance.now();
        if (!run.isSettled) enqueue(run);
        return;
      }
      this.#going++;
      program.isStreaming = true;
      try {
        await this.#stream(run, lane);
      } finally {
        program.isStreaming = false;
        this.#going--;
        this.#lanes.push(lane);
      }
    } catch (error) {
      run.reject(submissions.lost ?? error);
    } finally {
      this.#comingIn.delete(run);
    }
  }

  /** Rejects all that wait for weights. */
  rejectAll(error: unknown): void {
    for (const run of this.#comingIn) run.reject(error);
  }

  /** Gives activation memory back. Call when nothing runs. */
  trim(): void {
    for (const lane of this.#lanes) lane.clear();
  }

  #takeLane(program: LoadedProgram): Lane | undefined {
    const { firstLane, ledger } = this.#options;
    if (!program.isResident || this.#going >= maxStreams) return undefined;
    const lane = this.#lanes.pop() ?? new Lane(firstLane + this.#going, ledger);
    try {
      lane.reserve(program.slots.slotBytes);
      return lane;
    } catch {
      // No room for a lane more: it runs in one of the others once its weights are there.
      lane.clear();
      this.#lanes.push(lane);
      return undefined;
    }
  }

  async #stream(run: PendingRun, lane: Lane): Promise<void> {
    const { program, tensors } = run;
    const { device, submissions } = this.#options;
    const { queue } = device;
    const outputs = planOutputs([run]);
    const isProven = submissions.isProven(program);
    tensors?.reserve();
    const staging = submissions.takeStaging(outputs);
    // From its first part to its last the same bind groups are used: nothing may be moved under them.
    using _hold = program.holdInPlace();
    try {
      const startedAt = performance.now();
      const bound = program.bind(lane);
      writeInputs(queue, bound.inputs, run.inputs);
      const steps = new StepStream(bound);
      const validations: (Promise<GPUError | null> | undefined)[] = [];
      for (;;) {
        validations.push(
          submissions.validated(isProven, () => {
            const commands = new CommandWriter(device.createCommandEncoder());
            if (validations.length === 0) tensors?.copyIn(commands.encoder, bound.inputs);
            steps.encode(commands, program.written);
            commands.endPass();
            if (steps.needs === undefined) {
              if (staging) copyOutputs(commands.encoder, bound.outputs, outputs.offsets[0]!, staging.gpu);
              tensors?.copyOut(commands.encoder, bound.outputs);
            }
            queue.submit([commands.encoder.finish()]);
            tensors?.submitted();
          }),
        );
        if (steps.needs === undefined) break;
        submissions.watchPart(run);
        await program.whenWritten(steps.needs);
      }
      const submittedAt = performance.now();
      run.loadedAt = submittedAt;
      const validation = Promise.all(validations).then(firstError);
      // From here on it is a round like any other, which can be waited for at rest.
      this.#comingIn.delete(run);
      submissions.begin();
      try {
        await submissions.finish({ runs: [run], outputs, staging, validation, startedAt, submittedAt });
      } finally {
        submissions.end();
      }
    } catch (error) {
      staging?.destroy();
      throw submissions.lost ?? error;
    }
  }
}

function firstError(errors: readonly (GPUError | null | undefined)[]): GPUError | null {
  return errors.find((error) => error) ?? null;
}
