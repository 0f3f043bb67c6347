/**
 * Runs Programs in rounds. What waits when a round begins goes together: each run in a lane of its own, one
 * command buffer, one submit, one map for all outputs. So the fixed cost of a submit and of a read-back is shared
 * exactly when there is load. The next round is encoded while the GPU works on this one.
 *
 * Runs whose weights are still coming in are the matter of run-streams.ts; what is encoded while nothing runs, of
 * encode-ahead.ts; waiting for the GPU and handing outputs out, of submissions.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { RunOutput, RunRequest, RunResult } from "./api.ts";
import { EncodeAhead } from "./encode-ahead.ts";
import type { KeptTensors } from "./kept-tensors.ts";
import { Lane } from "./lane.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import { PendingRun } from "./pending-run.ts";
import { encodeRoundCommands, encodeTensorInputs } from "./round-commands.ts";
import { RunStreams } from "./run-streams.ts";
import { runTensors } from "./run-tensors.ts";
import { Submissions, stoppedAnswering } from "./submissions.ts";
import { checkInputs, planOutputs, writeInputs } from "./tensor-io.ts";
import { TensorReader } from "./tensor-reader.ts";
import type { Watchdog } from "./watchdog.ts";

/** Runs of a round at most: beyond this the shared costs are negligible. */
const maxLanes = 64;
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
}

export class Executor {
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  readonly #tensors: KeptTensors;
  readonly #submissions: Submissions;
  readonly #streams: RunStreams;
  readonly #ahead: EncodeAhead;
  readonly #reader: TensorReader;
  readonly #lanes: Lane[] = [];
  #pending: PendingRun[] = [];
  #isScheduled = false;

  constructor({ device, ledger, tensors, watchdog, onWait }: ExecutorOptions) {
    this.#device = device;
    this.#ledger = ledger;
    this.#tensors = tensors;
    const submissions = new Submissions({
      ...{ device, ledger, watchdog },
      onBegin: onWait,
      onEnd: () => this.#schedule(),
      onAnswered: (round) => this.#answered(round),
    });
    this.#submissions = submissions;
    this.#streams = new RunStreams({
      ...{ device, ledger, submissions, firstLane: maxLanes },
      enqueue: (run) => this.#enqueue(run),
    });
    this.#ahead = new EncodeAhead({
      ...{ device, submissions },
      lane: () => this.#lane(0),
      isIdle: () => this.isIdle,
    });
    this.#reader = new TensorReader(device, submissions.readback);
    ledger.onPressure(() => this.#clearStaging());
  }

  /**
   * @throws DawnletError INVALID_ARGUMENT (byte counts), NOT_FOUND (tensors), OUT_OF_MEMORY, TIME_LIMIT_EXCEEDED,
   *   DEVICE_LOST.
   */
  run(
    program: LoadedProgram,
    { inputs: given, keep }: Pick<RunRequest, "inputs" | "keep">,
  ): Promise<RunResult<RunOutput>> {
    return new Promise((resolve, reject) => {
      if (this.#submissions.lost !== undefined) throw this.#submissions.lost;
      const inputs = this.#tensors.resolve(given);
      checkInputs(program, inputs);
      const tensors = runTensors(this.#tensors, program, inputs, keep);
      const run = new PendingRun(program, inputs, tensors, resolve, reject);
      if (program.isReady) this.#enqueue(run);
      else void this.#streams.bringIn(run);
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

  get lanes(): number {
    return this.#lanes.length + this.#streams.lanes;
  }

  /** Rounds are on the GPU, and nothing can be done before one of them comes back. */
  get isWaiting(): boolean {
    const { inFlight } = this.#submissions;
    return (
      inFlight > 0 &&
      this.#streams.comingIn === 0 &&
      (this.#pending.length === 0 || inFlight >= maxRoundsInFlight)
    );
  }

  /** There is nothing to do, and nothing on the GPU. */
  get isIdle(): boolean {
    return this.#submissions.inFlight === 0 && this.#pending.length === 0 && this.#streams.comingIn === 0;
  }

  /** Rejects everything that waits, now and later. */
  fail(error: DawnletError): void {
    this.#submissions.lose(error);
    for (const run of this.#pending.splice(0)) run.reject(error);
    this.#streams.rejectAll(error);
  }

  /** Gives activation and staging memory back. Call when nothing runs. */
  trim(): void {
    for (const lane of this.#lanes) lane.clear();
    this.#streams.trim();
    this.#clearStaging();
  }

  #clearStaging(): void {
    this.#ahead.clear();
    this.#submissions.readback.clear();
  }

  #enqueue(run: PendingRun): void {
    this.#pending.push(run);
    this.#schedule();
  }

  /** Runs that arrive in the same turn of the event loop go into the same round. */
  #schedule(): void {
    if (this.#isScheduled || this.#pending.length === 0) return;
    if (this.#submissions.inFlight >= maxRoundsInFlight) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#startRound();
      this.#schedule();
    });
  }

  #startRound(): void {
    const round: PendingRun[] = [];
    for (const run of this.#pending) {
      // A Program's first run goes alone: what the device refuses then is its fault and hurts no other.
      const isProven = this.#submissions.isProven(run.program);
      if (round.length === maxLanes || (round.length > 0 && !isProven)) break;
      try {
        this.#reserve(run, round.length);
        round.push(run);
        if (!isProven) break;
      } catch (error) {
        // No room for one lane more: the rest waits for the next round. No room for even one: that run fails.
        if (round.length > 0) break;
        for (const lane of this.#lanes.slice(1)) lane.clear();
        try {
          this.#reserve(run, 0);
          round.push(run);
          break;
        } catch {
          run.reject(error);
          this.#pending = this.#pending.filter((other) => other !== run);
          return;
        }
      }
    }
    this.#pending.splice(0, round.length);
    if (round.length === 0) return;
    this.#submissions.begin();
    this.#execute(round)
      .catch((error: unknown) => {
        for (const run of round) run.reject(error);
      })
      .finally(() => this.#submissions.end());
  }

  /** @throws DawnletError as Ledger.createBuffer; what was made until then stays, or is freed when the run fails. */
  #reserve(run: PendingRun, lane: number): void {
    this.#lane(lane).reserve(run.program.slots.slotBytes);
    run.tensors?.reserve();
  }

  #lane(index: number): Lane {
    let lane = this.#lanes[index];
    if (lane === undefined) {
      lane = new Lane(index, this.#ledger);
      this.#lanes.push(lane);
    }
    return lane;
  }

  async #execute(runs: readonly PendingRun[]): Promise<void> {
    const submissions = this.#submissions;
    const startedAt = performance.now();
    const isProven = runs.every((run) => submissions.isProven(run.program));
    let staging: CountedBuffer | undefined;
    try {
      const outputs = planOutputs(runs);
      const validation = submissions.validated(isProven, () => {
        const device = this.#device;
        const prepared = this.#ahead.take(runs);
        staging = prepared?.staging ?? submissions.takeStaging(outputs);
        // Not before all memory is there: making room moves weights.
        const bound = runs.map((run, i) => run.program.bind(this.#lane(i)));
        for (const [i, run] of runs.entries()) writeInputs(device.queue, bound[i]!.inputs, run.inputs);
        const commands =
          prepared === undefined
            ? [encodeRoundCommands(device, { bound, outputs, staging: staging?.gpu, runs })]
            : [...encodeTensorInputs(device, runs[0]!, bound[0]!), prepared.commands];
        device.queue.submit(commands);
        for (const run of runs) run.tensors?.submitted();
      });
      const submittedAt = performance.now();
      await submissions.finish({ runs, outputs, staging, validation, startedAt, submittedAt });
    } catch (error) {
      staging?.destroy();
      throw submissions.lost ?? error;
    }
  }

  #answered(round: readonly PendingRun[]): void {
    const last = round.at(-1)!;
    // Where outputs stay each run has buffers of its own, which nothing can be encoded ahead for.
    if (!last.tensors?.isKeeping && this.#pending.length === 0) this.#ahead.soon(last.program);
  }
}
