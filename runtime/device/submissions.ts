/**
 * What was submitted and is not read back yet: counts it, watches that it ends in time, asks what the device found
 * wrong with it, and hands its outputs out. Shared by rounds, by runs that go in parts and by reads of tensors. It
 * encodes nothing and decides not when something is submitted.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { GpuClock, type GpuSpan, spanBytes } from "./gpu-clock.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { PendingRun } from "./pending-run.ts";
import { ReadbackPool } from "./readback.ts";
import { RoundAccounts, type RoundTime } from "./round-accounts.ts";
import { type OutputPlan, outputsOf } from "./tensor-io.ts";
import { failStuck, limitOf } from "./time-limit.ts";
import type { Watchdog, WatchLimit } from "./watchdog.ts";

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
  readonly onAnswered: (round: SubmittedRound, doneAt: number) => void;
}

/** A part of a run was submitted. */
export interface SubmittedPart {
  /** See `Watchdog.watch`. */
  readonly limit: WatchLimit;
  /** What times it, and where the times go. */
  readonly span: { readonly times: GpuSpan; readonly staging: CountedBuffer } | undefined;
  /** When encoding began. */
  readonly startedAt: number;
}

/** Runs that were submitted together. */
export interface SubmittedRound {
  readonly runs: readonly PendingRun[];
  /** It has as many runs as it might, and others waited. Left out: no. */
  readonly isFull?: boolean;
  readonly outputs: OutputPlan;
  /** Undefined where nothing is to come back. */
  readonly staging: CountedBuffer | undefined;
  /** Its times lie behind the outputs. Undefined where it is not timed. */
  readonly span: GpuSpan | undefined;
  /** See `Submissions.validated`. */
  readonly validation: Promise<GPUError | null> | undefined;
  /** When encoding began. */
  readonly startedAt: number;
  readonly submittedAt: number;
  /** What earlier parts of its only run took. Asked when the last one is done, and `validation` has settled. */
  readonly before?: () => RoundTime;
  /** Called when the GPU is done with it, before its runs have their answers. */
  readonly onDone?: () => void;
  /** Left out: that of its runs. */
  readonly limit?: WatchLimit;
}

export class Submissions {
  readonly readback: ReadbackPool;
  readonly clock: GpuClock;
  readonly accounts: RoundAccounts;
  readonly #options: SubmissionsOptions;
  #inFlight = 0;
  #lost: DawnletError | undefined;

  constructor(options: SubmissionsOptions) {
    this.#options = options;
    this.readback = new ReadbackPool(options.ledger);
    this.clock = new GpuClock(options.device, options.ledger);
    this.accounts = new RoundAccounts(() => this.clock.isWorking);
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

  /** To be called before something is awaited that was, or will be, submitted; and `end` when it has settled. */
  begin(): void {
    this.#inFlight++;
    this.#options.onBegin();
  }

  end(): void {
    this.#inFlight--;
    this.#options.onEnd();
  }

  /** @returns undefined where nothing is to come back. @throws DawnletError OUT_OF_MEMORY. */
  takeStaging(outputs: OutputPlan, span?: GpuSpan): CountedBuffer | undefined {
    const sizeBytes = stagedBytes(outputs, span);
    return sizeBytes > 0 ? this.readback.take(sizeBytes) : undefined;
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

  /**
   * Waits for a part of a run that has outputs to come only from a later one. Ends the span.
   * @throws DawnletError DEVICE_LOST.
   */
  async finishPart(run: PendingRun, { limit, span, startedAt }: SubmittedPart): Promise<RoundTime> {
    const { device, watchdog } = this.#options;
    const staging = span?.staging;
    const done =
      staging === undefined
        ? device.queue.onSubmittedWorkDone()
        : staging.gpu.mapAsync(GPUMapMode.READ, 0, spanBytes);
    const watched = watchdog.watch(limit, () => failStuck([run]));
    let wallMs = 0;
    try {
      await this.#settled(done, undefined);
    } catch (error) {
      staging?.destroy();
      span?.times.end();
      throw error;
    } finally {
      wallMs = watched.end();
    }
    if (span === undefined || staging === undefined) return { wallMs, gpuMs: undefined, isTimed: false };
    const seenMs = performance.now() - startedAt;
    const gpuMs = span.times.read(staging.gpu.getMappedRange(0, spanBytes), 0, seenMs);
    staging.gpu.unmap();
    this.readback.give(staging);
    return { wallMs, gpuMs, isTimed: true };
  }

  /**
   * Waits for what was submitted, and hands the outputs out. The staging buffer goes back to the pool, but not where
   * this throws. Ends the span.
   * @returns what it took, without earlier parts.
   * @throws DawnletError INVALID_PROGRAM, DEVICE_LOST.
   */
  async finish(round: SubmittedRound): Promise<RoundTime> {
    const { runs, outputs, staging, span, startedAt, submittedAt, before, limit = limitOf(runs) } = round;
    const { device, watchdog, onAnswered } = this.#options;
    const mapped =
      staging === undefined
        ? device.queue.onSubmittedWorkDone()
        : staging.gpu.mapAsync(GPUMapMode.READ, 0, stagedBytes(outputs, span));
    const watched = watchdog.watch(limit, () => failStuck(runs));
    let wallMs = 0;
    try {
      await this.#settled(mapped, round.validation);
    } catch (error) {
      span?.end();
      throw error;
    } finally {
      wallMs = watched.end();
    }
    const doneAt = performance.now();
    round.onDone?.();
    // Nothing is staged where all outputs are without elements.
    const bytes = staging?.gpu.getMappedRange(0, stagedBytes(outputs, span)) ?? new ArrayBuffer();
    const own = {
      wallMs,
      gpuMs: span?.read(bytes, outputs.totalBytes, doneAt - startedAt),
      isTimed: span !== undefined,
    };
    const gpuMs = this.accounts.close(runs, before === undefined ? own : sum(before(), own));
    for (const [i, run] of runs.entries()) {
      run.program.isProven = true;
      // What it was to leave has gone then.
      if (run.isSettled) continue;
      run.resolve({
        outputs: outputsOf(run, outputs.offsets[i]!, bytes),
        timing: {
          loadMs: run.loadMs,
          queueMs: Math.max(0, startedAt - run.arrivedAt - run.loadMs),
          encodeMs: Math.max(0, submittedAt - Math.max(startedAt, run.loadedAt)),
          executeMs: doneAt - submittedAt,
          gpuMs: gpuMs[i]!,
        },
      });
    }
    if (staging !== undefined) {
      staging.gpu.unmap();
      this.readback.give(staging);
    }
    onAnswered(round, doneAt);
    return own;
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

/** Of the staging buffer of a round. */
function stagedBytes({ totalBytes }: OutputPlan, span: GpuSpan | undefined): number {
  return span === undefined ? totalBytes : totalBytes + spanBytes;
}

/** Where a part was not timed, what the host saw of it counts. */
export function sum(a: RoundTime, b: RoundTime): RoundTime {
  const gpuMs = (time: RoundTime) => time.gpuMs ?? time.wallMs;
  return {
    wallMs: a.wallMs + b.wallMs,
    gpuMs: a.isTimed || b.isTimed ? gpuMs(a) + gpuMs(b) : undefined,
    isTimed: a.isTimed || b.isTimed,
  };
}

export function stoppedAnswering(reason: unknown): DawnletError {
  return new DawnletError("DEVICE_LOST", `The device stopped answering: ${String(reason)}`);
}
