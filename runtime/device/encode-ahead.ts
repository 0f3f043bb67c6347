/**
 * Encodes the next run of the Program that ran last, once it is clear that nothing else is to be done. What becomes of
 * what was encoded is in prepared-runs.ts; it submits nothing.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Lane } from "./lane.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { PendingRun } from "./pending-run.ts";
import { type PreparedRun, PreparedRuns } from "./prepared-runs.ts";
import { encodeRoundCommands } from "./round-commands.ts";
import type { Submissions } from "./submissions.ts";
import { planOutputs } from "./tensor-io.ts";

export interface EncodeAheadOptions {
  readonly device: GPUDevice;
  readonly submissions: Submissions;
  /** That a run which is alone in its round goes in. */
  readonly lane: () => Lane;
  /** There is nothing to do, and nothing on the GPU. */
  readonly isIdle: () => boolean;
}

export class EncodeAhead {
  readonly #options: EncodeAheadOptions;
  readonly #prepared: PreparedRuns;
  /** What may be encoded ahead. */
  #lastRun: LoadedProgram | undefined;
  #isPreparing = false;

  constructor(options: EncodeAheadOptions) {
    this.#options = options;
    this.#prepared = new PreparedRuns(options.submissions.readback);
  }

  /** Hands what was encoded for a round over, with its staging buffer. */
  take([run, ...others]: readonly PendingRun[]): PreparedRun | undefined {
    if (run === undefined || others.length > 0 || run.tensors?.isKeeping) return undefined;
    const { program } = run;
    return this.#prepared.has(program)
      ? this.#prepared.take(program, program.bind(this.#options.lane()))
      : undefined;
  }

  /** The Program has run, and nothing waits. */
  soon(program: LoadedProgram): void {
    this.#lastRun = program;
    if (this.#isPreparing) return;
    this.#isPreparing = true;
    setTimeout(() => {
      this.#isPreparing = false;
      const last = this.#lastRun;
      this.#lastRun = undefined;
      const { isIdle, submissions } = this.#options;
      if (last?.isReady && isIdle() && submissions.lost === undefined) this.#prepare(last);
    });
  }

  /** Gives staging memory back. */
  clear(): void {
    this.#prepared.clear();
  }

  #prepare(program: LoadedProgram): void {
    const { device, submissions } = this.#options;
    const lane = this.#options.lane();
    // A run that went in parts had another lane. This one grows for runs that have come, not for those that may.
    if (this.#prepared.has(program) || !lane.holds(program.slots.slotBytes)) return;
    const outputs = planOutputs([{ program }]);
    try {
      const staging = submissions.takeStaging(outputs);
      const bound = program.bind(lane);
      const source = { bound: [bound], outputs, staging: staging?.gpu, runs: [] };
      this.#prepared.put(program, { bound, commands: encodeRoundCommands(device, source), staging });
    } catch (error) {
      // No room for staging: the next run says so itself, if it still holds then.
      if (!(error instanceof DawnletError)) throw error;
    }
  }
}
