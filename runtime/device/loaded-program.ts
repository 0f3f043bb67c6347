/**
 * A Program on a device: its pipelines, and its residency, which comes and goes. Evicted, a Program keeps its pipelines
 * and gives the memory of its weights and constants back; the next run brings them in again. Placing and uploading is
 * in weights.ts, compiling in pipelines.ts, encoding in bound-program.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import {
  type ClearPlan,
  flatSteps,
  noClears,
  planClears,
  planSlots,
  planTakeover,
  requirements,
  type SlotPlan,
  type SlotRange,
  weightFirstUse,
} from "../../kernels/program/analyze.ts";
import type { BufferIndex, DispatchStep, Program } from "../../kernels/program/program.ts";
import type { LoadOptions, LoadTiming } from "./api.ts";
import type { BindGroupCache } from "./bind-group-cache.ts";
import { BoundProgram, type BufferRange } from "./bound-program.ts";
import type { Lane } from "./lane.ts";
import type { Layouts } from "./layouts.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import type { PipelineLease, Pipelines } from "./pipelines.ts";
import { ProgramCost } from "./program-cost.ts";
import type { WeightBlob, Weights, WeightsLease } from "./weights.ts";

/** What a load needs of its device. */
export interface LoadContext {
  readonly device: GPUDevice;
  readonly ledger: Ledger;
  readonly layouts: Layouts;
  readonly pipelines: Pipelines;
  readonly weights: Weights;
  readonly bindGroups: BindGroupCache;
}

/** The bytes of a Program that are on the device now, or on their way. */
interface Residency {
  readonly weights: WeightsLease;
  readonly constants: Constants;
  /** All of it is there. */
  isWritten: boolean;
  readonly whenWritten: Promise<void>;
}

export class LoadedProgram {
  readonly program: Program;
  readonly slots: SlotPlan;
  readonly timeLimitMs: number;
  /** What its runs take, as far as that was seen. */
  readonly cost: ProgramCost;
  timing: LoadTiming = { pipelinesMs: 0, uploadMs: 0, totalMs: 0, uploadedBytes: 0 };
  /** A run of it has ended without the device finding anything wrong with it. */
  isProven = false;
  /** A run goes through its steps while the weights come in. */
  isStreaming = false;
  readonly #clears: ClearPlan;
  readonly #takeover: readonly SlotRange[];
  readonly #context: LoadContext;
  readonly #blobs: readonly WeightBlob[];
  /** By step: how many weights, in the order of `#blobs`, must be there before it. */
  readonly #needs: readonly number[];
  #loading: Promise<LoadTiming> | undefined;
  #compiling: Promise<readonly PipelineLease[]> | undefined;
  #pipelines: readonly PipelineLease[] | undefined;
  #residency: Residency | undefined;
  readonly #bound = new Map<Lane, BoundProgram>();
  #runs = 0;
  #isLeaving = false;
  #isForgotten = false;

  /** @throws DawnletError LIMIT_EXCEEDED where this device cannot run it. */
  constructor(context: LoadContext, program: Program, options: LoadOptions) {
    checkDevice(context.device, program);
    this.program = program;
    this.slots = planSlots(program);
    this.cost = new ProgramCost(program);
    this.timeLimitMs = options.timeLimitMs ?? Number.POSITIVE_INFINITY;
    this.#clears = options.writesBeforeReads ? noClears : planClears(program, this.slots);
    this.#takeover = planTakeover(program, this.slots, !options.writesBeforeReads);
    this.#context = context;
    const firstUse = weightFirstUse(program);
    this.#blobs = weightBlobs(program, firstUse);
    this.#needs = weightsNeeded(program, firstUse);
  }

  /** Of the weights that it reads, each once. */
  get weightDigests(): readonly string[] {
    return this.#blobs.map(({ digest }) => digest);
  }

  /** Its weights and pipelines are there: a run need not wait. */
  get isReady(): boolean {
    return this.#pipelines !== undefined && this.#residency?.isWritten === true;
  }

  get isResident(): boolean {
    return this.#residency !== undefined;
  }

  /** Weights, in the order of first use, that what is submitted now sees. */
  get written(): number {
    return this.#residency?.weights.written ?? 0;
  }

  /** Weights that must be there before a run can begin. */
  get neededFirst(): number {
    return this.#needs[0] ?? 0;
  }

  /** Until it is disposed, the weights stay where they are on the device. */
  holdInPlace(): Disposable {
    return this.#residency!.weights.holdInPlace();
  }

  whenWritten(count: number): Promise<void> {
    return this.#residency!.weights.whenWritten(count);
  }

  /**
   * Compiles and brings in what is missing, side by side: pipelines compile in the driver's threads.
   * @throws DawnletError OUT_OF_MEMORY, INVALID_SHADER, what the store throws; nothing stays on the device then.
   */
  load(): Promise<LoadTiming> {
    // It stays, if it was to leave after its runs.
    this.#isLeaving = false;
    if (this.isReady) return Promise.resolve(this.timing);
    if (this.#loading === undefined) {
      const loading = this.#load().finally(() => {
        if (this.#loading === loading) this.#loading = undefined;
      });
      this.#loading = loading;
    }
    return this.#loading;
  }

  async #load(): Promise<LoadTiming> {
    const startedAt = performance.now();
    let pipelinesMs = 0;
    const compiled = this.compile().then(() => {
      pipelinesMs = performance.now() - startedAt;
    });
    const residency = this.#residency ?? this.#bringIn();
    const [pipelines, weights] = await Promise.allSettled([compiled, residency.whenWritten]);
    const uploadMs = performance.now() - startedAt;
    for (const outcome of [pipelines, weights]) {
      if (outcome.status === "fulfilled") continue;
      if (this.#residency === residency) this.#giveBack();
      throw outcome.reason;
    }
    const { uploadedBytes } = residency.weights;
    this.timing = { pipelinesMs, uploadMs, totalMs: performance.now() - startedAt, uploadedBytes };
    return this.timing;
  }

  /** @throws DawnletError INVALID_SHADER. */
  async compile(): Promise<void> {
    this.#compiling ??= acquirePipelines(this.#context, this.program);
    const compiling = this.#compiling;
    try {
      const pipelines = await compiling;
      if (this.#compiling === compiling) this.#pipelines = pipelines;
    } catch (error) {
      if (this.#compiling === compiling) this.#compiling = undefined;
      throw error;
    }
  }

  /** The Program with its bind groups for a lane; made on first use and when what they name was replaced. */
  bind(lane: Lane): BoundProgram {
    const { weights, bindGroups, device, layouts } = this.#context;
    let bound = this.#bound.get(lane);
    if (
      bound === undefined ||
      bound.laneVersion !== lane.version ||
      bound.weightsVersion !== weights.version
    ) {
      bound = new BoundProgram({
        device,
        layouts,
        program: this.program,
        pipelines: this.#pipelines!.map((lease) => lease.gpu),
        rangeOf: (buffer) => this.#rangeOf(buffer, lane),
        needs: this.#needs,
        ...this.#clears,
        takeover: this.#takeover,
        lane,
        user: this,
        weightsVersion: weights.version,
      });
      this.#bound.set(lane, bound);
      bindGroups.add(bound, () => {
        if (this.#bound.get(lane) === bound) this.#bound.delete(lane);
      });
    }
    bindGroups.use(bound);
    return bound;
  }

  /** Called when a run begins to wait, so that evicting spares what it needs. */
  retain(): void {
    this.#runs++;
  }

  release(): void {
    if (--this.#runs > 0) return;
    if (this.#isLeaving) this.evict();
    if (this.#isForgotten) this.#free();
  }

  /** Gives the memory of weights and constants back once the runs that wait or execute are done. */
  evict(): void {
    this.#isLeaving = this.#runs > 0;
    if (!this.#isLeaving) this.#giveBack();
  }

  /** Frees everything once the runs that wait or execute are done. */
  unload(): void {
    if (this.#isForgotten) return;
    this.#isForgotten = true;
    if (this.#runs === 0) this.#free();
  }

  /** Lets the pipelines of an evicted Program go: the next load compiles them again. */
  dropPipelines(): void {
    if (this.#residency === undefined && this.#runs === 0) this.#releasePipelines();
  }

  /** @throws DawnletError OUT_OF_MEMORY */
  #bringIn(): Residency {
    const { weights, ledger } = this.#context;
    const lease = weights.acquire(this.#blobs);
    try {
      const constants = new Constants(this.#context, this.program, ledger);
      const whenWritten = lease.whenWritten(this.#blobs.length);
      const residency: Residency = { weights: lease, constants, isWritten: false, whenWritten };
      whenWritten.then(
        () => {
          residency.isWritten = true;
        },
        () => undefined,
      );
      this.#residency = residency;
      return residency;
    } catch (error) {
      lease[Symbol.dispose]();
      throw error;
    }
  }

  #giveBack(): void {
    this.#isLeaving = false;
    this.#loading = undefined;
    this.#dropBound();
    this.#residency?.constants.destroy();
    this.#residency?.weights[Symbol.dispose]();
    this.#residency = undefined;
  }

  #dropBound(): void {
    for (const bound of this.#bound.values()) this.#context.bindGroups.remove(bound);
    this.#bound.clear();
  }

  #free(): void {
    this.#giveBack();
    this.#releasePipelines();
  }

  #releasePipelines(): void {
    // Those that are still compiling are let go once they are there.
    this.#compiling?.then(
      (leases) => {
        for (const lease of leases) lease[Symbol.dispose]();
      },
      () => undefined,
    );
    this.#compiling = undefined;
    this.#pipelines = undefined;
  }

  #rangeOf(index: BufferIndex, lane: Lane): BufferRange {
    const buffer = this.program.buffers[index]!;
    switch (buffer.type) {
      case "weight":
        return this.#residency!.weights.location(buffer.digest);
      case "constant":
        return this.#residency!.constants.location(index);
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

  constructor({ device }: LoadContext, program: Program, ledger: Ledger) {
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

/** Weights in the order in which the Program reads them first, each digest once. */
function weightBlobs(program: Program, firstUse: ReadonlyMap<BufferIndex, number>): readonly WeightBlob[] {
  const blobs = new Map<string, WeightBlob>();
  for (const index of firstUse.keys()) {
    const buffer = program.buffers[index]!;
    if (buffer.type !== "weight" || blobs.has(buffer.digest)) continue;
    blobs.set(buffer.digest, { digest: buffer.digest, sizeBytes: buffer.sizeBytes });
  }
  return [...blobs.values()];
}

/** For each step how many of `weightBlobs`, from the first on, it and the steps before it read. */
function weightsNeeded(program: Program, firstUse: ReadonlyMap<BufferIndex, number>): readonly number[] {
  const needs = new Array<number>(program.steps.length).fill(0);
  const seen = new Set<string>();
  for (const [index, step] of firstUse) {
    const buffer = program.buffers[index]!;
    if (buffer.type !== "weight" || seen.has(buffer.digest)) continue;
    seen.add(buffer.digest);
    needs[step] = seen.size;
  }
  let before = 0;
  return needs.map((needed) => {
    before = Math.max(before, needed);
    return before;
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
