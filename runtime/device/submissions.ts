/**
 * What was submitted and is not read back yet: counts it, watches that it ends in time, asks what the device found
 * wrong with it, and hands its outputs out. Shared by rounds, by runs that go in parts and by reads of tensors. It
 * encodes nothing and decides not when something is submitted.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { PendingRun } from "./pending-run.ts";
import { ReadbackPool } from "./readback.ts";
import { type OutputPlan, outputsOf } from "./tensor-io.ts";
import { failStuck, limitOf } from "./time-limit.ts";
import type { Watchdog } from "./watchdog.ts";

export interface SubmissionsOptions {
  readonly device: GPUDevice;
  readonly ledger: Ledger;
  /** Of the device's queue. */
  readonly watchdog: Watchdog;
  /** Called when there is something more to wait for. */
  readonly onBegin: () => void;
  /** Called when something came back, or will never. */
  readonly onEnd: () => void;
  /** Called when the runs of a round have their answers. */
  readonly onAnswered: (round: readonly PendingRun[]) => void;
}

/** Runs that were submitted together. */
export interface SubmittedRound {
  readonly runs: readonly PendingRun[];
  readonly outputs: OutputPlan;
  /** Undefined where there are no outputs. */
  readonly staging: CountedBuffer | undefined;
  /** See `Submissions.validated`. */
  readonly validation: Promise<GPUError | null> | undefined;
  /** When encoding began. */
  readonly startedAt: number;
  readonly submittedAt: number;
}

export class Submissions {
  readonly readback: ReadbackPool;
  readonly #options: SubmissionsOptions;
  /** Programs that ran once without a validation error. */
  readonly #proven = new WeakSet<LoadedProgram>();
  #inFlight = 0;
  #lost: DawnletError | undefined;

  constructor(options: SubmissionsOptions) {
    this.#options = options;
    this.readback = new ReadbackPool(options.ledger);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Why nothing can be submitted any more. */
  get lost(): DawnletError | undefined {
    return this.#lost;
  }

  /** From now on whatever fails fails with this. */
  lose(error: DawnletError): void {
    this.#lost = error;
  }

  /** The Program has run without the device finding anything wrong with it. */
  isProven(program: LoadedProgram): boolean {
    return this.#proven.has(program);
  }

  /** To be called before something is awaited that was, or will be, submitted; and `end` when it has settled. */
  begin(): void {
    this.#inFlight++;
    this.#options.onBegin();
  }

  end(): void {
    this.#inFlight--;
    this.#options.onEnd();
  }

  /** @returns undefined where there are no outputs. @throws DawnletError OUT_OF_MEMORY. */
  takeStaging({ totalBytes }: OutputPlan): CountedBuffer | undefined {
    return totalBytes > 0 ? this.readback.take(totalBytes) : undefined;
  }

  /** @returns what the device finds wrong with what `submit` does; nothing where that has been asked before. */
  validated(isProven: boolean, submit: () => void): Promise<GPUError | null> | undefined {
    if (isProven) {
      submit();
      return undefined;
    }
    const { device } = this.#options;
    device.pushErrorScope("validation");
    try {
      submit();
    } catch (error) {
      // Such as for want of staging memory: what comes later must not pop this scope.
      device.popErrorScope().catch(() => undefined);
      throw error;
    }
    return device.popErrorScope();
  }

  /** A part of a run was submitted, which nobody waits for. */
  watchPart(run: PendingRun): void {
    const { device, watchdog } = this.#options;
    const watched = watchdog.watch(limitOf([run]), () => failStuck([run]));
    const end = () => watched.end();
    device.queue.onSubmittedWorkDone().then(end, end);
  }

  /**
   * Waits for what was submitted, and hands the outputs out. The staging buffer goes back to the pool, but not where
   * this throws.
   * @throws DawnletError INVALID_PROGRAM, DEVICE_LOST.
   */
  async finish({
    runs,
    outputs,
    staging,
    validation,
    startedAt,
    submittedAt,
  }: SubmittedRound): Promise<void> {
    const { device, watchdog, onAnswered } = this.#options;
    const mapped =
      staging === undefined
        ? device.queue.onSubmittedWorkDone()
        : staging.gpu.mapAsync(GPUMapMode.READ, 0, outputs.totalBytes);
    const watched = watchdog.watch(limitOf(runs), () => failStuck(runs));
    try {
      await this.#settled(mapped, validation);
    } finally {
      watched.end();
    }
    const doneAt = performance.now();
    // Nothing is staged where all outputs are without elements.
    const bytes = staging?.gpu.getMappedRange(0, outputs.totalBytes) ?? new ArrayBuffer();
    for (const [i, run] of runs.entries()) {
      this.#proven.add(run.program);
      run.program.expectedMs = Math.min(run.program.expectedMs, doneAt - submittedAt);
      // What it was to leave has gone then.
      if (run.isSettled) continue;
      run.resolve({
        outputs: outputsOf(run, outputs.offsets[i]!, bytes),
        timing: {
          loadMs: run.loadMs,
          queueMs: Math.max(0, startedAt - run.arrivedAt - run.loadMs),
          encodeMs: Math.max(0, submittedAt - Math.max(startedAt, run.loadedAt)),
          executeMs: doneAt - submittedAt,
        },
      });
    }
    if (staging !== undefined) {
      staging.gpu.unmap();
      this.readback.give(staging);
    }
    onAnswered(runs);
  }

  async #settled(done: Promise<unknown>, validation: Promise<GPUError | null> | undefined): Promise<void> {
    // Both are awaited, so that neither can reject unheard.
    const [doneOutcome, validationOutcome] = await Promise.allSettled([done, validation]);
    if (validationOutcome.status === "fulfilled" && validationOutcome.value)
      throw new DawnletError(
        "INVALID_PROGRAM",
        `The device refused the Program: ${validationOutcome.value.message}`,
      );
    if (doneOutcome.status === "rejected") throw this.#lost ?? stoppedAnswering(doneOutcome.reason);
  }
}

export function stoppedAnswering(reason: unknown): DawnletError {
  return new DawnletError("DEVICE_LOST", `The device stopped answering: ${String(reason)}`);
}
