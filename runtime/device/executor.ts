/**
 * Runs Programs in rounds. What waits when a round begins goes together: each run in a lane of its own, one
 * command buffer, one submit, one map for all outputs. So the fixed cost of a submit and of a read-back is shared
 * exactly when there is load. The next round is encoded while the GPU works on this one.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { alignTo4, tensorBytes } from "../../kernels/tensor.ts";
import type { RunResult } from "./api.ts";
import { CommandWriter, encodeRound } from "./bound-program.ts";
import { Lane } from "./lane.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import { ReadbackPool } from "./readback.ts";

interface PendingRun {
  readonly program: LoadedProgram;
  readonly inputs: readonly Uint8Array[];
  readonly arrivedAt: number;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs of a round at most: beyond this the shared costs are negligible. */
const maxLanes = 64;
/** Rounds submitted and not yet read: one on the GPU, one behind it. */
const maxRoundsInFlight = 2;

export class Executor {
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  readonly #readback: ReadbackPool;
  readonly #lanes: Lane[] = [];
  #pending: PendingRun[] = [];
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
  }

  /** @throws DawnletError INVALID_ARGUMENT (byte counts), OUT_OF_MEMORY, DEVICE_LOST. */
  run(program: LoadedProgram, inputs: readonly Uint8Array[]): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) throw this.#lost;
      checkInputs(program, inputs);
      program.retain();
      this.#pending.push({ program, inputs, arrivedAt: performance.now(), resolve, reject });
      this.#schedule();
    });
  }

  /** Rounds are on the GPU, and nothing can be done before one of them comes back. */
  get isWaiting(): boolean {
    return (
      this.#roundsInFlight > 0 && (this.#pending.length === 0 || this.#roundsInFlight >= maxRoundsInFlight)
    );
  }

  /** Rejects everything that waits, now and later. */
  fail(error: DawnletError): void {
    this.#lost = error;
    for (const run of this.#pending.splice(0)) reject(run, error);
  }

  /** Gives activation and staging memory back. Call when nothing runs. */
  trim(): void {
    for (const lane of this.#lanes) lane.clear();
    this.#readback.clear();
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
          reject(run, error);
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
        for (const run of round) reject(run, error);
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
      const mapped =
        staging === undefined
          ? this.#device.queue.onSubmittedWorkDone()
          : staging.gpu.mapAsync(GPUMapMode.READ, 0, outputs.totalBytes);
      await this.#settled(mapped, validation);
      const doneAt = performance.now();
      // Nothing is staged where all outputs are without elements.
      const bytes = staging?.gpu.getMappedRange(0, outputs.totalBytes) ?? new ArrayBuffer();
      for (const [i, run] of round.entries()) {
        this.#proven.add(run.program);
        resolve(run, {
          outputs: outputs.offsets[i]!.map(
            ({ offset, sizeBytes }) => new Uint8Array(bytes.slice(offset, offset + sizeBytes)),
          ),
          timing: {
            queueMs: startedAt - run.arrivedAt,
            encodeMs: submittedAt - startedAt,
            executeMs: doneAt - submittedAt,
          },
        });
      }
      if (staging !== undefined) {
        staging.gpu.unmap();
        this.#readback.give(staging);
      }
    } catch (error) {
      // It failed before the submit, such as for want of staging memory: later rounds must not pop this scope.
      if (isScoped) this.#device.popErrorScope().catch(() => undefined);
      staging?.destroy();
      throw this.#lost ?? error;
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
    offsets: readonly OutputRange[][],
    staging: GPUBuffer | undefined,
  ): GPUCommandBuffer {
    const { queue } = this.#device;
    const bound = round.map((run, i) => run.program.bind(this.#lane(i)));
    for (const [i, run] of round.entries()) {
      const targets = bound[i]!.inputs;
      for (const [j, bytes] of run.inputs.entries())
        if (bytes.byteLength > 0) writeWords(queue, targets[j]!, bytes);
    }
    const commands = new CommandWriter(this.#device.createCommandEncoder());
    encodeRound(commands, bound);
    commands.endPass();
    for (const [i, ranges] of offsets.entries()) {
      for (const [j, { offset, copyBytes }] of ranges.entries()) {
        if (copyBytes > 0)
          commands.encoder.copyBufferToBuffer(bound[i]!.outputs[j]!, 0, staging!, offset, copyBytes);
      }
    }
    return commands.encoder.finish();
  }
}

function resolve(run: PendingRun, result: RunResult): void {
  run.program.release();
  run.resolve(result);
}

function reject(run: PendingRun, error: unknown): void {
  run.program.release();
  run.reject(error);
}

interface OutputRange {
  readonly offset: number;
  /** The tensor's own bytes. */
  readonly sizeBytes: number;
  /** The same, rounded up to whole words. */
  readonly copyBytes: number;
}

function planOutputs(round: readonly PendingRun[]): { offsets: OutputRange[][]; totalBytes: number } {
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
