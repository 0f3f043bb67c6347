/**
 * One run that goes to the GPU in parts, in a lane of its own: encodes and submits them, times each, and hands the
 * outputs out behind the last. When a part goes, and how far, others decide: run-streams.ts by the weights that have
 * come, cut-runs.ts by the GPU's time.
 */
import type { BoundProgram } from "./bound-program.ts";
import { CommandWriter } from "./command-writer.ts";
import { type GpuSpan, spanBytes } from "./gpu-clock.ts";
import type { Lane } from "./lane.ts";
import type { LanePool } from "./lane-pool.ts";
import type { CountedBuffer } from "./ledger.ts";
import type { PendingRun } from "./pending-run.ts";
import type { RoundTime } from "./round-accounts.ts";
import { type PartLimit, StepStream } from "./step-stream.ts";
import { type Submissions, type SubmittedPart, sum } from "./submissions.ts";
import { copyOutputs, type OutputPlan, planOutputs, writeInputs } from "./tensor-io.ts";

export interface PartedRunOptions {
  readonly device: GPUDevice;
  readonly submissions: Submissions;
  readonly run: PendingRun;
  /** Where its lane comes from. */
  readonly lanes: LanePool;
}

export class PartedRun {
  readonly run: PendingRun;
  readonly #lanes: LanePool;
  readonly #lane: Lane;
  readonly #device: GPUDevice;
  readonly #submissions: Submissions;
  readonly #isProven: boolean;
  readonly #outputs: OutputPlan;
  readonly #staging: CountedBuffer;
  readonly #hold: Disposable;
  readonly #bound: BoundProgram;
  readonly #steps: StepStream;
  readonly #startedAt = performance.now();
  readonly #validations: (Promise<GPUError | null> | undefined)[] = [];
  readonly #parts: Promise<void>[] = [];
  #submittedAt: number | undefined;
  #isAnswered = false;
  #isReleased = false;
  /** What the parts that are done took. */
  #time: RoundTime = { wallMs: 0, gpuMs: undefined, isTimed: false };

  /** @throws DawnletError OUT_OF_MEMORY. */
  constructor({ device, submissions, run, lanes }: PartedRunOptions) {
    const { program, tensors } = run;
    this.run = run;
    this.#lanes = lanes;
    this.#device = device;
    this.#submissions = submissions;
    this.#isProven = program.isProven;
    this.#outputs = planOutputs([run]);
    this.#lane = lanes.take(program.slots.slotBytes);
    try {
      tensors?.reserve();
      // Whether the last part is timed is not known yet.
      this.#staging = submissions.readback.take(this.#outputs.totalBytes + spanBytes);
    } catch (error) {
      lanes.give(this.#lane);
      throw error;
    }
    // From its first part to its last the same bind groups are used: nothing may be moved under them.
    this.#hold = program.holdInPlace();
    this.#bound = program.bind(this.#lane);
    this.#bound.enter();
    writeInputs(device.queue, this.#bound.inputs, run.inputs);
    this.#steps = new StepStream(this.#bound);
  }

  /** Weights that must be there before it can go on; undefined where its last part was submitted. */
  get needs(): number | undefined {
    return this.#steps.needs;
  }

  /**
   * Encodes and submits the next part; nothing is submitted where this throws.
   * @returns when the GPU is done with it; of the last part, when the run has its answer. It rejects where the run is
   *   to fail.
   */
  submit(limit: PartLimit): Promise<void> {
    const submissions = this.#submissions;
    const startedAt = performance.now();
    const span = submissions.clock.start();
    let times: CountedBuffer | undefined;
    let steps: readonly number[] = [];
    try {
      const submit = () => {
        const commands = new CommandWriter(this.#device.createCommandEncoder(), span);
        const { tensors } = this.run;
        if (this.#submittedAt === undefined) {
          for (const clear of this.#bound.takeover) commands.transfer(clear);
          tensors?.copyIn(commands.encoder, this.#bound.inputs);
        }
        steps = this.#steps.encode(commands, limit);
        commands.endPass();
        if (this.needs === undefined) this.#encodeOutputs(commands.encoder, span);
        else if (span !== undefined) {
          times = submissions.readback.take(spanBytes);
          span.copyTo(commands.encoder, times.gpu, 0);
        }
        this.#device.queue.submit([commands.encoder.finish()]);
        this.#bound.submitted();
        tensors?.submitted();
      };
      this.#validations.push(submissions.validated(this.#isProven, submit));
    } catch (error) {
      span?.end();
      times?.destroy();
      throw error;
    }
    this.#submittedAt ??= performance.now();
    if (this.needs === undefined) return this.#answer(span, steps);
    const timed = span && times && { times: span, staging: times };
    const part = this.#part({ limit: this.#limit, span: timed, startedAt }, steps);
    this.#parts.push(part);
    return part;
  }

  /** It goes no further; nothing where it has its answer. */
  [Symbol.dispose](): void {
    this.#release();
    if (!this.#isAnswered) this.#staging.destroy();
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#hold[Symbol.dispose]();
    this.#lanes.give(this.#lane);
  }

  #encodeOutputs(encoder: GPUCommandEncoder, span: GpuSpan | undefined): void {
    const { gpu } = this.#staging;
    copyOutputs(encoder, this.#bound.outputs, this.#outputs.offsets[0]!, gpu);
    span?.copyTo(encoder, gpu, this.#outputs.totalBytes);
    this.run.tensors?.copyOut(encoder, this.#bound.outputs);
  }

  async #part(part: SubmittedPart, steps: readonly number[]): Promise<void> {
    const time = await this.#submissions.finishPart(this.run, part);
    this.#time = sum(this.#time, time);
    this.#learn(steps, time);
  }

  async #answer(span: GpuSpan | undefined, steps: readonly number[]): Promise<void> {
    const { run } = this;
    const submissions = this.#submissions;
    const time = await submissions.finish({
      ...{ runs: [run], outputs: this.#outputs, staging: this.#staging, span },
      // Of all parts, whose times are there then, too.
      validation: Promise.all([Promise.all(this.#validations), ...this.#parts]).then(([all]) =>
        firstError(all),
      ),
      startedAt: this.#startedAt,
      // What went before its weights had come is part of their coming.
      submittedAt: Math.max(this.#submittedAt!, run.loadedAt),
      before: () => this.#time,
      onDone: () => this.#release(),
      limit: this.#limit,
    });
    this.#isAnswered = true;
    this.#learn(steps, time);
  }

  /** The limit is that of the run: what its earlier parts took is gone. */
  readonly #limit = (): number => this.run.program.timeLimitMs - this.#time.wallMs;

  #learn(steps: readonly number[], { gpuMs, wallMs }: RoundTime): void {
    const { cost } = this.run.program;
    if (cost.aloneMs !== undefined) cost.steps.learn(steps, gpuMs ?? wallMs);
  }
}

function firstError(errors: readonly (GPUError | null | undefined)[]): GPUError | null {
  return errors.find((error) => error) ?? null;
}
