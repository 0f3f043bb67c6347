/**
 * Runs whose weights are still coming in: each goes alone, in parts, every step submitted behind the weights that it
 * reads, so that executing overlaps uploading. What is left of it when they are there, cut-runs.ts takes over. Where no
 * lane is free a run waits for all of its weights.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { OnLoaded } from "./api.ts";
import type { CutRuns } from "./cut-runs.ts";
import type { LanePool } from "./lane-pool.ts";
import { PartedRun } from "./parted-run.ts";
import type { PendingRun } from "./pending-run.ts";
import type { Submissions } from "./submissions.ts";

/** Runs that go in parts at a time: each has a lane of its own from its first part to its last. */
const maxStreams = 2;

export interface RunStreamsOptions {
  readonly device: GPUDevice;
  readonly submissions: Submissions;
  readonly lanes: LanePool;
  readonly cutRuns: CutRuns;
  /** Takes a run whose weights are there. */
  readonly enqueue: (run: PendingRun) => void;
}

export class RunStreams {
  readonly #options: RunStreamsOptions;
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

  /** Has the Program's weights brought in; while they come it runs in parts, where a lane is free for that. */
  async bringIn(run: PendingRun, onLoaded?: OnLoaded): Promise<void> {
    const { program } = run;
    const { submissions, enqueue } = this.#options;
    this.#comingIn.add(run);
    try {
      const whole = program.load();
      // A failure is heard below, unless something else fails first.
      whole.then(onLoaded, () => undefined);
      await program.compile();
      // Not before there is a step for it: a part without one would be a submit for nothing, and waiting for it would count
      // as work of the GPU.
      if (program.isResident) await program.whenWritten(program.neededFirst);
      using parted = this.#begin(run);
      if (parted === undefined) {
        await whole;
        run.loadedAt = performance.now();
        if (!run.isSettled) enqueue(run);
        return;
      }
      this.#going++;
      program.isStreaming = true;
      try {
        await this.#stream(parted);
      } finally {
        program.isStreaming = false;
        this.#going--;
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

  /** @returns undefined where it is to wait for its weights. */
  #begin(run: PendingRun): PartedRun | undefined {
    const { program } = run;
    if (program.isReady || program.isStreaming) return undefined;
    if (!program.isResident || this.#going >= maxStreams) return undefined;
    const { device, submissions, lanes } = this.#options;
    try {
      return new PartedRun({ device, submissions, run, lanes });
    } catch (error) {
      // No room for a lane more: it runs in one of the others once its weights are there.
      if (error instanceof DawnletError) return undefined;
      throw error;
    }
  }

  async #stream(parted: PartedRun): Promise<void> {
    const { run } = parted;
    const { program } = run;
    const { cutRuns } = this.#options;
    for (;;) {
      const part = program.isReady ? undefined : parted.submit({ written: program.written });
      const { needs } = parted;
      if (part === undefined || needs === undefined) {
        run.loadedAt = performance.now();
        // From here on it can be waited for at rest.
        this.#comingIn.delete(run);
        await (part === undefined ? cutRuns.finish(parted) : this.#answered(part));
        return;
      }
      // The last part waits for this one and hears of it.
      part.catch(() => undefined);
      await program.whenWritten(needs);
    }
  }

  async #answered(last: Promise<void>): Promise<void> {
    const { submissions } = this.#options;
    submissions.begin();
    try {
      await last;
    } finally {
      submissions.end();
    }
  }
}
