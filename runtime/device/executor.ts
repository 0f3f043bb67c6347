/**
 * Runs Programs in rounds. What waits when a round begins goes together: each run in a lane of its own, one
 * command buffer, one submit, one map for all outputs. So the fixed cost of a submit and of a read-back is shared
 * exactly when there is load. The next round is encoded while the GPU works on this one.
 *
 * A run whose weights are still coming in goes alone, in parts: each step is submitted behind the weights that it
 * reads, so that executing overlaps uploading. Rounds of other Programs go on between the parts.
 *
 * While nothing runs, the next run of a Program that ran just now is encoded ahead (prepared-runs.ts).
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { RunOutput, RunRequest, RunResult } from "./api.ts";
import { type BoundProgram, CommandWriter, encodeRound, StepStream } from "./bound-program.ts";
import type { KeptTensors } from "./kept-tensors.ts";
import { Lane } from "./lane.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import { PendingRun } from "./pending-run.ts";
import { type PreparedRun, PreparedRuns } from "./prepared-runs.ts";
import { ReadbackPool } from "./readback.ts";
import { runTensors } from "./run-tensors.ts";
import {
  checkInputs,
  copyOutputs,
  type OutputPlan,
  outputsOf,
  planOutputs,
  writeInputs,
} from "./tensor-io.ts";
import { TensorReader } from "./tensor-reader.ts";
import { failStuck, limitOf } from "./time-limit.ts";
import type { Watchdog } from "./watchdog.ts";

/** Runs of a round at most: beyond this the shared costs are negligible. */
const maxLanes = 64;
/** Rounds submitted and not yet read: one on the GPU, one behind it. */
const maxRoundsInFlight = 2;
/** Runs that go in parts at a time: each has a lane of its own from its first part to its last. */
const maxStreams = 2;

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
  readonly #readback: ReadbackPool;
  readonly #tensors: KeptTensors;
  readonly #reader: TensorReader;
  readonly #prepared: PreparedRuns;
  readonly #watchdog: Watchdog;
  readonly #lanes: Lane[] = [];
  /** Lanes of runs that go in parts: those that are free. */
  readonly #streamLanes: Lane[] = [];
  #pending: PendingRun[] = [];
  /** Runs that wait for weights, or go in parts. */
  readonly #comingIn = new Set<PendingRun>();
  #streams = 0;
  #roundsInFlight = 0;
  #isScheduled = false;
  /** What may be encoded ahead. */
  #lastRun: LoadedProgram | undefined;
  #isPreparing = false;
  readonly #onWait: () => void;
  #lost: DawnletError | undefined;
  /** Programs that ran once without a validation error. */
  readonly #proven = new WeakSet<LoadedProgram>();

  constructor({ device, ledger, tensors, watchdog, onWait }: ExecutorOptions) {
    this.#onWait = onWait;
    this.#device = device;
    this.#ledger = ledger;
    this.#watchdog = watchdog;
    this.#readback = new ReadbackPool(ledger);
    this.#tensors = tensors;
    this.#reader = new TensorReader(device, this.#readback);
    this.#prepared = new PreparedRuns(this.#readback);
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
      if (this.#lost !== undefined) throw this.#lost;
      const inputs = this.#tensors.resolve(given);
      checkInputs(program, inputs);
      const tensors = runTensors(this.#tensors, program, inputs, keep);
      const run = new PendingRun(program, inputs, tensors, resolve, reject);
      if (program.isReady) this.#enqueue(run);
      else void this.#bringIn(run);
    });
  }

  /** The bytes of a tensor that stays, after all that was submitted before. @throws NOT_FOUND, OUT_OF_MEMORY, DEVICE_LOST. */
  async read(id: string): Promise<Uint8Array> {
    if (this.#lost !== undefined) throw this.#lost;
    const reading = this.#reader.read(this.#tensors.find(id));
    this.#roundsInFlight++;
    this.#onWait();
    try {
      return await reading;
    } catch (error) {
      if (error instanceof DawnletError) throw error;
      throw this.#lost ?? stoppedAnswering(error);
    } finally {
      this.#roundsInFlight--;
      this.#schedule();
    }
  }

  get lanes(): number {
    return this.#lanes.length + this.#streamLanes.length + this.#streams;
  }

  /** Rounds are on the GPU, and nothing can be done before one of them comes back. */
  get isWaiting(): boolean {
    return (
      this.#roundsInFlight > 0 &&
      this.#comingIn.size === 0 &&
      (this.#pending.length === 0 || this.#roundsInFlight >= maxRoundsInFlight)
    );
  }

  /** There is nothing to do, and nothing on the GPU. */
  get isIdle(): boolean {
    return !this.#isBusy;
  }

  /** Rejects everything that waits, now and later. */
  fail(error: DawnletError): void {
    this.#lost = error;
    for (const run of [...this.#pending.splice(0), ...this.#comingIn]) run.reject(error);
  }

  /** Gives activation and staging memory back. Call when nothing runs. */
  trim(): void {
    for (const lane of [...this.#lanes, ...this.#streamLanes]) lane.clear();
    this.#clearStaging();
  }

  #clearStaging(): void {
    this.#prepared.clear();
    this.#readback.clear();
  }

  #enqueue(run: PendingRun): void {
    this.#pending.push(run);
    this.#schedule();
  }

  /** Has the Program's weights brought in; while they come it runs in parts, where a lane is free for that. */
  async #bringIn(run: PendingRun): Promise<void> {
    const { program } = run;
    this.#comingIn.add(run);
    try {
      const whole = program.load();
      // Heard below, unless something else fails first.
      whole.catch(() => undefined);
      await program.compile();
      const lane = program.isReady || program.isStreaming ? undefined : this.#takeStreamLane(program);
      if (lane === undefined) {
        await whole;
        run.loadedAt = performance.now();
        if (!run.isSettled) this.#enqueue(run);
        return;
      }
      this.#streams++;
      program.isStreaming = true;
      try {
        await this.#stream(run, lane);
      } finally {
        program.isStreaming = false;
        this.#streams--;
        this.#streamLanes.push(lane);
      }
    } catch (error) {
      run.reject(this.#lost ?? error);
    } finally {
      this.#comingIn.delete(run);
    }
  }

  #takeStreamLane(program: LoadedProgram): Lane | undefined {
    if (!program.isResident || this.#streams >= maxStreams) return undefined;
    const lane = this.#streamLanes.pop() ?? new Lane(maxLanes + this.#streams, this.#ledger);
    try {
      lane.reserve(program.slots.slotBytes);
      return lane;
    } catch {
      // No room for a lane more: it runs in one of the others once its weights are there.
      lane.clear();
      this.#streamLanes.push(lane);
      return undefined;
    }
  }

  async #stream(run: PendingRun, lane: Lane): Promise<void> {
    const { program } = run;
    const { queue } = this.#device;
    const { tensors } = run;
    const outputs = planOutputs([run]);
    const isProven = this.#proven.has(program);
    tensors?.reserve();
    const staging = this.#takeStaging(outputs);
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
          this.#validated(isProven, () => {
            const commands = new CommandWriter(this.#device.createCommandEncoder());
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
        this.#watchPart(run);
        await program.whenWritten(steps.needs);
      }
      const loadedAt = performance.now();
      run.loadedAt = loadedAt;
      // From here on it is a round like any other, which can be waited for at rest.
      this.#comingIn.delete(run);
      this.#roundsInFlight++;
      this.#onWait();
      try {
        await this.#finish(
          [run],
          outputs,
          staging,
          Promise.all(validations).then(firstError),
          loadedAt,
          startedAt,
        );
      } finally {
        this.#roundsInFlight--;
        this.#schedule();
      }
    } catch (error) {
      staging?.destroy();
      throw this.#lost ?? error;
    }
  }

  #watchPart(run: PendingRun): void {
    const watched = this.#watchdog.watch(limitOf([run]), () => failStuck([run]));
    const end = () => watched.end();
    this.#device.queue.onSubmittedWorkDone().then(end, end);
  }

  /** Runs that arrive in the same turn of the event loop go into the same round. */
  #schedule(): void {
    if (this.#isScheduled || this.#pending.length === 0 || this.#roundsInFlight >= maxRoundsInFlight) return;
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
      const isProven = this.#proven.has(run.program);
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
    this.#roundsInFlight++;
    this.#onWait();
    this.#execute(round)
      .catch((error: unknown) => {
        for (const run of round) run.reject(error);
      })
      .finally(() => {
        this.#roundsInFlight--;
        this.#schedule();
      });
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

  async #execute(round: readonly PendingRun[]): Promise<void> {
    const startedAt = performance.now();
    const isProven = round.every((run) => this.#proven.has(run.program));
    let staging: CountedBuffer | undefined;
    try {
      const outputs = planOutputs(round);
      const validation = this.#validated(isProven, () => {
        const prepared = this.#takePrepared(round);
        staging = prepared?.staging ?? this.#takeStaging(outputs);
        // Not before all memory is there: making room moves weights.
        const bound = round.map((run, i) => run.program.bind(this.#lane(i)));
        for (const [i, run] of round.entries()) writeInputs(this.#device.queue, bound[i]!.inputs, run.inputs);
        const commands =
          prepared === undefined
            ? [this.#encode(bound, outputs, staging?.gpu, round)]
            : [...this.#encodeInputs(round[0]!, bound[0]!), prepared.commands];
        this.#device.queue.submit(commands);
        for (const run of round) run.tensors?.submitted();
      });
      await this.#finish(round, outputs, staging, validation, performance.now(), startedAt);
    } catch (error) {
      staging?.destroy();
      throw this.#lost ?? error;
    }
  }

  /** @returns what the device finds wrong with what `submit` does; nothing where that has been asked before. */
  #validated(isProven: boolean, submit: () => void): Promise<GPUError | null> | undefined {
    if (isProven) {
      submit();
      return undefined;
    }
    this.#device.pushErrorScope("validation");
    try {
      submit();
    } catch (error) {
      // Such as for want of staging memory: what comes later must not pop this scope.
      this.#device.popErrorScope().catch(() => undefined);
      throw error;
    }
    return this.#device.popErrorScope();
  }

  /** Waits for what was submitted, and hands the outputs out. */
  async #finish(
    round: readonly PendingRun[],
    outputs: OutputPlan,
    staging: CountedBuffer | undefined,
    validation: Promise<GPUError | null> | undefined,
    submittedAt: number,
    startedAt: number,
  ): Promise<void> {
    const mapped =
      staging === undefined
        ? this.#device.queue.onSubmittedWorkDone()
        : staging.gpu.mapAsync(GPUMapMode.READ, 0, outputs.totalBytes);
    const watched = this.#watchdog.watch(limitOf(round), () => failStuck(round));
    try {
      await this.#settled(mapped, validation);
    } finally {
      watched.end();
    }
    const doneAt = performance.now();
    // Nothing is staged where all outputs are without elements.
    const bytes = staging?.gpu.getMappedRange(0, outputs.totalBytes) ?? new ArrayBuffer();
    for (const [i, run] of round.entries()) {
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
      this.#readback.give(staging);
    }
    const last = round.at(-1)!;
    // Where outputs stay each run has buffers of its own, which nothing can be encoded ahead for.
    if (!last.tensors?.isKeeping) this.#prepareSoon(last.program);
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

  #takePrepared([run, ...others]: readonly PendingRun[]): PreparedRun | undefined {
    if (run === undefined || others.length > 0 || run.tensors?.isKeeping) return undefined;
    const { program } = run;
    return this.#prepared.has(program)
      ? this.#prepared.take(program, program.bind(this.#lane(0)))
      : undefined;
  }

  #takeStaging({ totalBytes }: OutputPlan): CountedBuffer | undefined {
    return totalBytes > 0 ? this.#readback.take(totalBytes) : undefined;
  }

  #encode(
    bound: readonly BoundProgram[],
    { offsets }: OutputPlan,
    staging: GPUBuffer | undefined,
    round: readonly PendingRun[] = [],
  ): GPUCommandBuffer {
    const commands = new CommandWriter(this.#device.createCommandEncoder());
    for (const [i, { tensors }] of round.entries()) tensors?.copyIn(commands.encoder, bound[i]!.inputs);
    encodeRound(commands, bound);
    commands.endPass();
    for (const [i, ranges] of offsets.entries())
      if (staging) copyOutputs(commands.encoder, bound[i]!.outputs, ranges, staging);
    for (const [i, { tensors }] of round.entries()) tensors?.copyOut(commands.encoder, bound[i]!.outputs);
    return commands.encoder.finish();
  }

  /** What goes before a run that was encoded ahead: the tensors that it reads. */
  #encodeInputs({ tensors }: PendingRun, bound: BoundProgram): readonly GPUCommandBuffer[] {
    if (tensors === undefined) return [];
    const encoder = this.#device.createCommandEncoder();
    tensors.copyIn(encoder, bound.inputs);
    return [encoder.finish()];
  }

  /** Encodes the next run of a Program ahead, once it is clear that nothing else is to be done. */
  #prepareSoon(program: LoadedProgram): void {
    this.#lastRun = program;
    if (this.#isPreparing || this.#pending.length > 0) return;
    this.#isPreparing = true;
    setTimeout(() => {
      this.#isPreparing = false;
      const last = this.#lastRun;
      this.#lastRun = undefined;
      if (last?.isReady && !this.#isBusy && this.#lost === undefined) this.#prepare(last);
    });
  }

  get #isBusy(): boolean {
    return this.#roundsInFlight > 0 || this.#pending.length > 0 || this.#comingIn.size > 0;
  }

  #prepare(program: LoadedProgram): void {
    const lane = this.#lane(0);
    // A run that went in parts had another lane. This one grows for runs that have come, not for those that may.
    if (this.#prepared.has(program) || !lane.holds(program.slots.slotBytes)) return;
    const outputs = planOutputs([{ program }]);
    try {
      const staging = this.#takeStaging(outputs);
      const bound = program.bind(lane);
      const commands = this.#encode([bound], outputs, staging?.gpu);
      this.#prepared.put(program, { bound, commands, staging });
    } catch (error) {
      // No room for staging: the next run says so itself, if it still holds then.
      if (!(error instanceof DawnletError)) throw error;
    }
  }
}

function stoppedAnswering(reason: unknown): DawnletError {
  return new DawnletError("DEVICE_LOST", `The device stopped answering: ${String(reason)}`);
}

function firstError(errors: readonly (GPUError | null | undefined)[]): GPUError | null {
  return errors.find((error) => error) ?? null;
}
