/**
 * A Program on a device: pipelines built, weights and constants uploaded, ready to be bound to a lane.
 * Loading is here and in weights.ts and pipelines.ts, encoding in bound-program.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import {
  type ClearPlan,
  flatSteps,
  noClears,
  planClears,
  planSlots,
  requirements,
  type SlotPlan,
  weightFirstUse,
} from "../../kernels/program/analyze.ts";
import type { BufferIndex, DispatchStep, Program } from "../../kernels/program/program.ts";
import type { LoadOptions, LoadTiming } from "./api.ts";
import { BoundProgram, type BufferRange } from "./bound-program.ts";
import type { Lane } from "./lane.ts";
import type { Layouts } from "./layouts.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { PipelineLease, Pipelines } from "./pipelines.ts";
import type { WeightBlob, Weights, WeightsLease } from "./weights.ts";

/** What a load needs of its device. */
export interface LoadContext {
  readonly device: GPUDevice;
  readonly ledger: Ledger;
  readonly layouts: Layouts;
  readonly pipelines: Pipelines;
  readonly weights: Weights;
}

export class LoadedProgram {
  readonly program: Program;
  readonly slots: SlotPlan;
  readonly timing: LoadTiming;
  readonly #clears: ClearPlan;
  readonly #context: LoadContext;
  readonly #pipelines: readonly PipelineLease[];
  readonly #weights: WeightsLease;
  readonly #constants: Constants;
  readonly #bound = new Map<Lane, BoundProgram>();
  #runs = 0;
  #isUnloaded = false;

  private constructor(
    context: LoadContext,
    program: Program,
    options: LoadOptions,
    pipelines: readonly PipelineLease[],
    weights: WeightsLease,
    constants: Constants,
    timing: LoadTiming,
  ) {
    this.program = program;
    this.slots = planSlots(program);
    this.timing = timing;
    this.#clears = options.writesBeforeReads ? noClears : planClears(program, this.slots);
    this.#context = context;
    this.#pipelines = pipelines;
    this.#weights = weights;
    this.#constants = constants;
  }

  /** Pipelines compile in the driver's threads while weights upload. On failure nothing stays behind. */
  static async load(context: LoadContext, program: Program, options: LoadOptions): Promise<LoadedProgram> {
    checkDevice(context.device, program);
    const start = performance.now();
    let pipelinesMs = 0;
    let uploadMs = 0;
    const pipelines = acquirePipelines(context, program).then((leases) => {
      pipelinesMs = performance.now() - start;
      return leases;
    });
    const weights = context.weights.acquire(weightBlobs(program)).then((lease) => {
      uploadMs = performance.now() - start;
      return lease;
    });
    const [p, w] = await Promise.allSettled([pipelines, weights]);
    let constants: Constants | undefined;
    try {
      if (p.status === "rejected") throw p.reason;
      if (w.status === "rejected") throw w.reason;
      constants = new Constants(context, program);
      const { uploadedBytes } = w.value;
      const timing = { pipelinesMs, uploadMs, totalMs: performance.now() - start, uploadedBytes };
      return new LoadedProgram(context, program, options, p.value, w.value, constants, timing);
    } catch (error) {
      constants?.destroy();
      if (p.status === "fulfilled") for (const lease of p.value) lease[Symbol.dispose]();
      if (w.status === "fulfilled") w.value[Symbol.dispose]();
      throw error;
    }
  }

  /** The Program with its bind groups for a lane; made on first use and when the lane's slots were replaced. */
  bind(lane: Lane): BoundProgram {
    let bound = this.#bound.get(lane);
    if (bound === undefined || bound.laneVersion !== lane.version) {
      const { device, layouts } = this.#context;
      bound = new BoundProgram({
        device,
        layouts,
        program: this.program,
        pipelines: this.#pipelines.map((lease) => lease.gpu),
        rangeOf: (buffer) => this.#rangeOf(buffer, lane),
        ...this.#clears,
        laneVersion: lane.version,
      });
      this.#bound.set(lane, bound);
    }
    return bound;
  }

  /** Called when a run begins to wait, so that unloading spares what it needs. */
  retain(): void {
    this.#runs++;
  }

  release(): void {
    this.#runs--;
    if (this.#isUnloaded && this.#runs === 0) this.#free();
  }

  /** Frees everything once the runs that wait or execute are done. */
  unload(): void {
    if (this.#isUnloaded) return;
    this.#isUnloaded = true;
    if (this.#runs === 0) this.#free();
  }

  #free(): void {
    this.#bound.clear();
    this.#constants.destroy();
    this.#weights[Symbol.dispose]();
    for (const lease of this.#pipelines) lease[Symbol.dispose]();
  }

  #rangeOf(index: BufferIndex, lane: Lane): BufferRange {
    const buffer = this.program.buffers[index]!;
    switch (buffer.type) {
      case "weight":
        return this.#weights.location(buffer.digest);
      case "constant":
        return this.#constants.location(index);
      case "input":
      case "output":
      case "temporary": {
        const slot = this.slots.slotOf.get(index);
        if (slot === undefined) throw new RangeError(`Buffer ${index} has no slot`);
        return { gpu: lane.slot(slot), offset: 0 };
      }
    }
  }
}

/** All constants of a Program in one buffer, at the offsets that uniform bindings demand. */
class Constants {
  readonly #buffer: CountedBuffer | undefined;
  readonly #offsets = new Map<BufferIndex, number>();

  constructor({ device, ledger }: LoadContext, program: Program) {
    const { minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment } = device.limits;
    const alignment = Math.max(minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment);
    // Equal bytes are kept once: recorded models repeat the same uniforms many times.
    const offsetOf = new Map<string, number>();
    let end = 0;
    program.buffers.forEach((buffer, index) => {
      if (buffer.type !== "constant") return;
      let offset = offsetOf.get(buffer.data);
      if (offset === undefined) {
        offset = Math.ceil(end / alignment) * alignment;
        offsetOf.set(buffer.data, offset);
        end = offset + buffer.sizeBytes;
      }
      this.#offsets.set(index, offset);
    });
    if (end === 0) return;
    const usage =
      GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#buffer = ledger.createBuffer("constant", { size: end, usage });
    const bytes = new Uint8Array(end);
    for (const [data, offset] of offsetOf) bytes.set(Uint8Array.fromBase64(data), offset);
    device.queue.writeBuffer(this.#buffer.gpu, 0, bytes);
  }

  location(index: BufferIndex): BufferRange {
    return { gpu: this.#buffer!.gpu, offset: this.#offsets.get(index)! };
  }

  destroy(): void {
    this.#buffer?.destroy();
  }
}

async function acquirePipelines(context: LoadContext, program: Program): Promise<PipelineLease[]> {
  const dispatchOf = new Map<number, DispatchStep>();
  for (const step of flatSteps(program)) {
    if (step.type === "dispatch" && !dispatchOf.has(step.pipeline)) dispatchOf.set(step.pipeline, step);
  }
  const outcomes = await Promise.allSettled(
    program.pipelines.map((pipeline, index) => {
      const bindings = dispatchOf.get(index)?.bindings ?? [];
      return context.pipelines.acquire(program, pipeline, context.layouts.of(bindings));
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed === undefined) return outcomes.flatMap((o) => (o.status === "fulfilled" ? [o.value] : []));
  for (const outcome of outcomes) if (outcome.status === "fulfilled") outcome.value[Symbol.dispose]();
  throw failed.reason;
}

/** Weights in the order in which the Program reads them first. */
function weightBlobs(program: Program): WeightBlob[] {
  return [...weightFirstUse(program).keys()].flatMap((index) => {
    const buffer = program.buffers[index]!;
    return buffer.type === "weight" ? [{ digest: buffer.digest, sizeBytes: buffer.sizeBytes }] : [];
  });
}

function checkDevice(device: GPUDevice, program: Program): void {
  for (const feature of program.features) {
    if (!device.features.has(feature))
      throw new DawnletError(
        "LIMIT_EXCEEDED",
        `Cannot load this Program: it needs the feature '${feature}', which this device lacks`,
      );
  }
  for (const [name, needed] of Object.entries(requirements(program))) {
    const allowed = device.limits[name as keyof GPUSupportedLimits] as number;
    if (needed > allowed)
      throw new DawnletError(
        "LIMIT_EXCEEDED",
        `Cannot load this Program: it needs ${name} ${needed}, and this device allows ${allowed}`,
      );
  }
}
