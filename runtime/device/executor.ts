/**
 * Runs Programs in rounds. What waits when a round begins goes together: each run in a lane of its own, one
 * command buffer, one submit, one map for all outputs. So the fixed cost of a submit and of a read-back is shared
 * exactly when there is load. The next round is encoded while the GPU works on this one.
 *
 * Which runs form a round is the matter of round-former.ts; runs whose weights are still coming in, of run-streams.ts;
 * those that take long, of cut-runs.ts; what is encoded while nothing runs, of encode-ahead.ts; waiting for the GPU and
 * handing outputs out, of submissions.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { OnLoaded, RunOutput, RunRequest, RunResult } from "./api.ts";
import { CutRuns } from "./cut-runs.ts";
import { EncodeAhead } from "./encode-ahead.ts";
import type { KeptTensors } from "./kept-tensors.ts";
import { type LaneLimit, LaneLimits } from "./lane-limits.ts";
import { LanePool } from "./lane-pool.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import { PendingRun } from "./pending-run.ts";
import { encodeLeadIn, encodeRoundCommands } from "./round-commands.ts";
import { type FormedRound, RoundFormer } from "./round-former.ts";
import { RunStreams } from "./run-streams.ts";
import { runTensors } from "./run-tensors.ts";
import { Submissions, type SubmittedRound, stoppedAnswering } from "./submissions.ts";
import { checkInputs, planOutputs, writeInputs } from "./tensor-io.ts";
import { TensorReader } from "./tensor-reader.ts";
import type { Watchdog } from "./watchdog.ts";

/** Rounds submitted and not yet read: one on the GPU, one behind it. */
const maxRoundsInFlight = 2;

export interface ExecutorOptions {
  readonly device: GPUDevice;
  readonly ledger: Ledger;
  readonly tensors: KeptTensors;
  /** Of the device's queue. */
  readonly watchdog: Watchdog;
  /** Called when a round was submitted; see `Executor.isWaiting`. */
  readonly onWait: () => void;
  /** For how long a part of a long run is to keep the GPU, in milliseconds. */
  readonly sliceMs: number;
  /** As DeviceServiceOptions has it. */
  readonly keepsLeftovers: boolean;
}

export class Executor {
  readonly #device: GPUDevice;
  readonly #tensors: KeptTensors;
  readonly #submissions: Submissions;
  readonly #streams: RunStreams;
  readonly #ahead: EncodeAhead;
  readonly #reader: TensorReader;
  readonly #lanes: LanePool;
  readonly #limits = new LaneLimits();
  readonly #former: RoundFormer;
  readonly #cutRuns: CutRuns;
  #roundsInFlight = 0;
  /** When the last round was done. */
  #doneAt = 0;
  #isScheduled = false;

  constructor(options: ExecutorOptions) {
    const { device, ledger, tensors, watchdog, onWait, sliceMs, keepsLeftovers } = options;
    this.#device = device;
    this.#lanes = new LanePool(ledger, keepsLeftovers);
    this.#tensors = tensors;
    const submissions = new Submissions({
      ...{ device, ledger, watchdog },
      onBegin: onWait,
      onEnd: () => {
        this.#cutRuns.advance();
        this.#schedule();
      },
      onAnswered: (round, doneAt) => this.#answered(round, doneAt),
    });
    this.#submissions = submissions;
    const lanes = this.#lanes;
    const enqueue = (run: PendingRun) => this.#enqueue(run);
    this.#former = new RoundFormer({ lanes, limits: this.#limits });
    const hasRounds = () => this.#roundsInFlight + this.#former.size > 0;
    this.#cutRuns = new CutRuns({ device, submissions, lanes, sliceMs, hasRounds, enqueue });
    this.#streams = new RunStreams({
      ...{ device, submissions, lanes, cutRuns: this.#cutRuns },
      enqueue: (run) => this.#admit(run),
    });
    this.#ahead = new EncodeAhead({
      ...{ device, submissions },
      lane: () => lanes.at(0),
      isIdle: () => this.isIdle,
    });
    this.#reader = new TensorReader(device, submissions.readback);
    ledger.onPressure(() => this.#clearStaging());
  }

  /**
   * @param onLoaded as DeviceApi.run has it.
   * @throws DawnletError INVALID_ARGUMENT (byte counts), NOT_FOUND (tensors), OUT_OF_MEMORY, TIME_LIMIT_EXCEEDED,
   *   DEVICE_LOST.
   */
  run(
    program: LoadedProgram,
    request: Omit<RunRequest, "program">,
    onLoaded?: OnLoaded,
  ): Promise<RunResult<RunOutput>> {
    return new Promise((resolve, reject) => {
      if (this.#submissions.lost !== undefined) throw this.#submissions.lost;
      const inputs = this.#tensors.resolve(request.inputs);
      checkInputs(program, inputs);
      const tensors = runTensors(this.#tensors, program, inputs, request.keep);
      const run = new PendingRun(program, inputs, tensors, request, resolve, reject);
      if (program.isReady) this.#admit(run);
      else void this.#streams.bringIn(run, onLoaded);
    });
  }

  /** The bytes of a tensor that stays, after all that was submitted before. @throws NOT_FOUND, OUT_OF_MEMORY, DEVICE_LOST. */
  async read(id: string): Promise<Uint8Array> {
    if (this.#submissions.lost !== undefined) throw this.#submissions.lost;
    const reading = this.#reader.read(this.#tensors.find(id));
    this.#submissions.begin();
    try {
      return await reading;
    } catch (error) {
      if (error instanceof DawnletError) throw error;
      throw this.#submissions.lost ?? stoppedAnswering(error);
    } finally {
      this.#submissions.end();
    }
  }

  /** Whether the device's own clock can be used. To be asked once, before there is work. */
  checkClock(): Promise<boolean> {
    return this.#submissions.clock.check();
  }

  get lanes(): number {
    return this.#lanes.size;
  }

  get laneLimits(): readonly LaneLimit[] {
    return this.#limits.report();
  }

  /** Work is on the GPU, and nothing can be done before some of it comes back. */
  get isWaiting(): boolean {
    return (
      this.#submissions.inFlight > 0 &&
      this.#streams.comingIn === 0 &&
      (this.#former.size === 0 || this.#roundsInFlight >= maxRoundsInFlight)
    );
  }

  /** There is nothing to do, and nothing on the GPU. */
  get isIdle(): boolean {
    const waiting = this.#former.size + this.#cutRuns.size + this.#streams.comingIn;
    return this.#submissions.inFlight + waiting === 0;
  }

  /** Rejects everything that waits, now and later. */
  fail(error: DawnletError): void {
    this.#submissions.lose(error);
    for (const run of this.#former.clear()) run.reject(error);
    this.#cutRuns.rejectAll(error);
    this.#streams.rejectAll(error);
  }

  /** Gives activation and staging memory back. Call when nothing runs. */
  trim(): void {
    this.#lanes.clear();
    this.#clearStaging();
    this.#submissions.clock.clear();
  }

  #clearStaging(): void {
    this.#ahead.clear();
    this.#submissions.readback.clear();
  }

  /** A run whose weights are there. */
  #admit(run: PendingRun): void {
    if (this.#cutRuns.isLong(run.program)) this.#cutRuns.add(run);
    else this.#enqueue(run);
  }

  #enqueue(run: PendingRun): void {
    this.#former.add(run);
    this.#schedule();
  }

  /** Runs that arrive in the same turn of the event loop go into the same round. */
  #schedule(): void {
    if (this.#isScheduled || this.#former.size === 0) return;
    if (this.#roundsInFlight >= maxRoundsInFlight) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#startRound();
      this.#schedule();
    });
  }

  #startRound(): void {
    const round = this.#former.form();
    if (round.runs.length === 0) return;
    this.#roundsInFlight++;
    this.#submissions.begin();
    this.#execute(round)
      .catch((error: unknown) => {
        for (const run of round.runs) run.reject(error);
      })
      .finally(() => {
        this.#roundsInFlight--;
        this.#submissions.end();
      });
  }

  async #execute({ runs, isFull }: FormedRound): Promise<void> {
    const submissions = this.#submissions;
    const device = this.#device;
    const startedAt = performance.now();
    const isProven = runs.every((run) => run.program.isProven);
    const span = submissions.accounts.isDue(runs) ? submissions.clock.start() : undefined;
    let staging: CountedBuffer | undefined;
    try {
      const outputs = planOutputs(runs);
      const validation = submissions.validated(isProven, () => {
        // What was encoded ahead is not timed: it stays for the next run.
        const prepared = span === undefined ? this.#ahead.take(runs) : undefined;
        staging = prepared === undefined ? submissions.takeStaging(outputs, span) : prepared.staging;
        // Not before all memory is there: making room moves weights.
        const bound = runs.map((run, i) => run.program.bind(this.#lanes.at(i)));
        for (const [i, run] of runs.entries()) {
          bound[i]!.enter();
          writeInputs(device.queue, bound[i]!.inputs, run.inputs);
        }
        const commands =
          prepared === undefined
            ? [encodeRoundCommands(device, { bound, outputs, staging: staging?.gpu, span, runs })]
            : [...encodeLeadIn(device, runs[0]!, bound[0]!), prepared.commands];
        device.queue.submit(commands);
        for (const program of bound) program.submitted();
        for (const run of runs) run.tensors?.submitted();
      });
      const submittedAt = performance.now();
      const submitted = { runs, isFull, outputs, staging, span, validation, startedAt, submittedAt };
      await submissions.finish(submitted);
    } catch (error) {
      span?.end();
      staging?.destroy();
      throw submissions.lost ?? error;
    }
  }

  #answered({ runs, isFull = false, startedAt }: SubmittedRound, doneAt: number): void {
    // How long a round after a round took, its encoding included where that was not hidden.
    const roundMs = doneAt - Math.max(startedAt, this.#doneAt);
    this.#doneAt = doneAt;
    if (isFull && this.#cutRuns.size + this.#streams.comingIn === 0)
      this.#limits.observe({ soloMs: runs.map(({ program }) => program.cost.warmMs), roundMs });
    const last = runs.at(-1)!;
    // Where outputs stay each run has buffers of its own, which nothing can be encoded ahead for.
    if (last.tensors?.isKeeping || this.#former.size > 0) return;
    // What is cut is encoded part by part.
    if (!this.#cutRuns.isLong(last.program)) this.#ahead.soon(last.program);
  }
}
