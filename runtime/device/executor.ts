/**
 * Runs Programs in rounds. What waits when a round begins goes together: each run in a lane of its own, one
 * command buffer, one submit, one map for all outputs. So the fixed cost of a submit and of a read-back is shared
 * exactly when there is load. The next round is encoded while the GPU works on this one.
 *
 * A run whose weights are still coming in goes alone, in parts: each step is submitted behind the weights that it
 * reads, so that executing overlaps uploading. Rounds of other Programs go on between the parts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { alignTo4, tensorBytes } from "../../kernels/tensor.ts";
import type { RunResult } from "./api.ts";
import { CommandWriter, encodeRound, StepStream } from "./bound-program.ts";
import { Lane } from "./lane.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import { PendingRun } from "./pending-run.ts";
import { ReadbackPool } from "./readback.ts";
import { Watchdog } from "./watchdog.ts";

/** Runs of a round at most: beyond this the shared costs are negligible. */
const maxLanes = 64;
/** Rounds submitted and not yet read: one on the GPU, one behind it. */
const maxRoundsInFlight = 2;
/** Runs that go in parts at a time: each has a lane of its own from its first part to its last. */
const maxStreams = 2;

export class Executor {
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  readonly #readback: ReadbackPool;
  readonly #watchdog = new Watchdog();
  readonly #lanes: Lane[] = [];
  /** Lanes of runs that go in parts: those that are free. */
  readonly #streamLanes: Lane[] = [];
  #pending: PendingRun[] = [];
  /** Runs that wait for weights, or go in parts. */
  readonly #comingIn = new Set<PendingRun>();
  #streams = 0;
  #roundsInFlight = 0;
  #isScheduled = false;
  readonly #onWait: () => void;
  #lost: DawnletError | undefined;
  /** Programs that ran once without a validation error. */
  readonly #proven = new WeakSet<LoadedProgram>();

  /** @param onWait called when a round was submitted; see `isWaiting`. */
  constructor(device: GPUDevice, ledger: Ledger, onWait: () => void = () => {}) {
    this.#onWait = onWait;
    this.#device = device;
    this.#ledger = ledger;
    this.#readback = new ReadbackPool(ledger);
    ledger.onPressure(() => this.#readback.clear());
  }

  /** @throws DawnletError INVALID_ARGUMENT (byte counts), OUT_OF_MEMORY, TIME_LIMIT_EXCEEDED, DEVICE_LOST. */
  run(program: LoadedProgram, inputs: readonly Uint8Array[]): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) throw this.#lost;
      checkInputs(program, inputs);
      const run = new PendingRun(program, inputs, resolve, reject);
      if (program.isReady) this.#enqueue(run);
      else void this.#bringIn(run);
    });
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

  /** Rejects everything that waits, now and later. */
  fail(error: DawnletError): void {
    this.#lost = error;
    for (const run of [...this.#pending.splice(0), ...this.#comingIn]) run.reject(error);
  }

  /** Gives activation and staging memory back. Call when nothing runs. */
  trim(): void {
    for (const lane of [...this.#lanes, ...this.#streamLanes]) lane.clear();
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
    const bound = program.bind(lane);
    const outputs = planOutputs([run]);
    const staging = outputs.totalBytes > 0 ? this.#readback.take(outputs.totalBytes) : undefined;
    try {
      const startedAt = performance.now();
      writeInputs(queue, bound.inputs, run.inputs);
      const steps = new StepStream(bound);
      const validations: Promise<GPUError | null>[] = [];
      const isProven = this.#proven.has(program);
      for (;;) {
        if (!isProven) this.#device.pushErrorScope("validation");
        const commands = new CommandWriter(this.#device.createCommandEncoder());
        steps.encode(commands, program.written);
        commands.endPass();
        const isLast = steps.needs === undefined;
        if (isLast && staging) copyOutputs(commands.encoder, bound.outputs, outputs.offsets[0]!, staging.gpu);
        queue.submit([commands.encoder.finish()]);
        if (!isProven) validations.push(this.#device.popErrorScope());
        if (isLast) break;
        this.#watchPart(run);
        await program.whenWritten(steps.needs!);
      }
      const loadedAt = performance.now();
      run.loadedAt = loadedAt;
      await this.#finish(
        [run],
        outputs,
        staging,
        Promise.all(validations).then(firstError),
        loadedAt,
        startedAt,
      );
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
        this.#lane(round.length).reserve(run.program.slots.slotBytes);
        round.push(run);
        if (!isProven) break;
      } catch (error) {
        // No room for one lane more: the rest waits for the next round. No room for even one: that run fails.
        if (round.length > 0) break;
        for (const lane of this.#lanes.slice(1)) lane.clear();
        try {
          this.#lane(0).reserve(run.program.slots.slotBytes);
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
    let isScoped = !isProven;
    if (isScoped) this.#device.pushErrorScope("validation");
    let staging: CountedBuffer | undefined;
    try {
      const outputs = planOutputs(round);
      if (outputs.totalBytes > 0) staging = this.#readback.take(outputs.totalBytes);
      const commands = this.#encode(round, outputs.offsets, staging?.gpu);
      this.#device.queue.submit([commands]);
      const submittedAt = performance.now();
      const validation = isScoped ? this.#device.popErrorScope() : undefined;
      isScoped = false;
      await this.#finish(round, outputs, staging, validation, submittedAt, startedAt);
    } catch (error) {
      // It failed before the submit, such as for want of staging memory: later rounds must not pop this scope.
      if (isScoped) this.#device.popErrorScope().catch(() => undefined);
      staging?.destroy();
      throw this.#lost ?? error;
    }
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
      run.resolve({
        outputs: outputs.offsets[i]!.map(
          ({ offset, sizeBytes }) => new Uint8Array(bytes.slice(offset, offset + sizeBytes)),
        ),
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
  }

  async #settled(done: Promise<unknown>, validation: Promise<GPUError | null> | undefined): Promise<void> {
    // Both are awaited, so that neither can reject unheard.
    const [doneOutcome, validationOutcome] = await Promise.allSettled([done, validation]);
    if (validationOutcome.status === "fulfilled" && validationOutcome.value)
      throw new DawnletError(
        "INVALID_PROGRAM",
        `The device refused the Program: ${validationOutcome.value.message}`,
      );
    if (doneOutcome.status === "rejected")
      throw (
        this.#lost ??
        new DawnletError("DEVICE_LOST", `The device stopped answering: ${String(doneOutcome.reason)}`)
      );
  }

  #encode(
    round: readonly PendingRun[],
    offsets: OutputPlan["offsets"],
    staging: GPUBuffer | undefined,
  ): GPUCommandBuffer {
    const { queue } = this.#device;
    const bound = round.map((run, i) => run.program.bind(this.#lane(i)));
    for (const [i, run] of round.entries()) writeInputs(queue, bound[i]!.inputs, run.inputs);
    const commands = new CommandWriter(this.#device.createCommandEncoder());
    encodeRound(commands, bound);
    commands.endPass();
    for (const [i, ranges] of offsets.entries())
      if (staging) copyOutputs(commands.encoder, bound[i]!.outputs, ranges, staging);
    return commands.encoder.finish();
  }
}

/**
 * How long a round may take, in milliseconds: the longest limit of its runs, and what they take when all is well,
 * since they share the GPU.
 */
function limitOf(round: readonly PendingRun[]): number {
  let limitMs = 0;
  let expectedMs = 0;
  for (const { program } of round) {
    limitMs = Math.max(limitMs, program.timeLimitMs);
    if (round.length > 1) expectedMs += program.expectedMs;
  }
  return limitMs + 4 * expectedMs;
}

/** The device does not recover from such a round: who owns its process ends it. */
function failStuck(round: readonly PendingRun[]): void {
  for (const run of round) {
    const { timeLimitMs } = run.program;
    const message = `The run did not end within ${timeLimitMs} ms on the device`;
    run.reject(
      new DawnletError("TIME_LIMIT_EXCEEDED", message, {
        details: { timeLimitMs, isAlone: round.length === 1 },
      }),
    );
  }
}

function firstError(errors: readonly (GPUError | null)[]): GPUError | null {
  return errors.find((error) => error !== null) ?? null;
}

function writeInputs(queue: GPUQueue, targets: readonly GPUBuffer[], inputs: readonly Uint8Array[]): void {
  for (const [i, bytes] of inputs.entries()) if (bytes.byteLength > 0) writeWords(queue, targets[i]!, bytes);
}

function copyOutputs(
  encoder: GPUCommandEncoder,
  sources: readonly GPUBuffer[],
  ranges: readonly OutputRange[],
  staging: GPUBuffer,
): void {
  for (const [i, { offset, copyBytes }] of ranges.entries())
    if (copyBytes > 0) encoder.copyBufferToBuffer(sources[i]!, 0, staging, offset, copyBytes);
}

interface OutputRange {
  readonly offset: number;
  /** The tensor's own bytes. */
  readonly sizeBytes: number;
  /** The same, rounded up to whole words. */
  readonly copyBytes: number;
}

interface OutputPlan {
  /** By run and output. */
  readonly offsets: readonly (readonly OutputRange[])[];
  readonly totalBytes: number;
}

function planOutputs(round: readonly PendingRun[]): OutputPlan {
  let totalBytes = 0;
  const offsets = round.map((run) =>
    run.program.program.outputs.map((tensor) => {
      const sizeBytes = tensorBytes(tensor.dataType, tensor.shape);
      const copyBytes = alignTo4(sizeBytes);
      const range = { offset: totalBytes, sizeBytes, copyBytes };
      // 8-byte alignment lets readers view 64-bit elements in place.
      totalBytes += Math.ceil(copyBytes / 8) * 8;
      return range;
    }),
  );
  return { offsets, totalBytes };
}

/** `writeBuffer` takes whole words; the last bytes of an odd tensor are padded with zeros. */
function writeWords(queue: GPUQueue, target: GPUBuffer, bytes: Uint8Array): void {
  const rest = bytes.byteLength % 4;
  if (rest === 0) {
    queue.writeBuffer(target, 0, bytes as Uint8Array<ArrayBuffer>);
    return;
  }
  const whole = bytes.byteLength - rest;
  if (whole > 0) queue.writeBuffer(target, 0, bytes as Uint8Array<ArrayBuffer>, 0, whole);
  const last = new Uint8Array(4);
  last.set(bytes.subarray(whole));
  queue.writeBuffer(target, whole, last);
}

function checkInputs({ program }: LoadedProgram, inputs: readonly Uint8Array[]): void {
  if (inputs.length !== program.inputs.length)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot run with ${inputs.length} inputs: the Program takes ${program.inputs.length}`,
    );
  for (const [i, tensor] of program.inputs.entries()) {
    const expected = tensorBytes(tensor.dataType, tensor.shape);
    const actual = inputs[i]!.byteLength;
    if (actual !== expected)
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot use input '${tensor.name}' as it has ${actual} bytes: expected ${expected}`,
      );
  }
}
