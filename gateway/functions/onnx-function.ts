/**
 * An ONNX model that answers calls. Each set of sizes of its free dimensions is a variant: compiled to a Program on
 * first need, once for concurrent callers, and kept in the version's record. A variant that cannot be a Program is
 * served by a session of ONNX Runtime in a process of its own. Variants that take several calls are ModelBatches' matter.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { describeProgram } from "../../kernels/program/describe.ts";
import { elementCount, type Tensors } from "../../kernels/tensor.ts";
import { batchAxisOf } from "../../models/batch-axis.ts";
import type { ModelSource } from "../../runtime/compiler/protocol.ts";
import type { SessionModel } from "../../runtime/supervisor/session-processes.ts";
import { sessionLimitFor } from "../../runtime/supervisor/time-limit.ts";
import { allAsBytes, type CallTensor, isTensor } from "../devices/call-tensor.ts";
import { tenantOf } from "../devices/owner.ts";
import { bindInputs } from "./bind-inputs.ts";
import { compileBatch, compileVariant, type VariantRequest } from "./compile-variant.ts";
import type { Batching, DeployProgress, Engine, FunctionSignature } from "./functions.ts";
import { keyOf, ModelBatches } from "./model-batches.ts";
import { needsBytes, programInputs, readOthers } from "./model-inputs.ts";
import { type ModelProgram, openModelProgram, readProgram } from "./model-program.ts";
import { type BatchShare, type CpuModel, type PreparedCall, runPrepared } from "./prepared-call.ts";
import type { CompiledVariant, ModelVariant, OnnxSource, VersionRecord } from "./record.ts";
import { type Backends, keptOutputs, type Servable, type ServableCall, type ServedCall } from "./servable.ts";

interface OpenVariant {
  readonly record: ModelVariant;
  /** Absent for the fallback. */
  readonly program?: ModelProgram;
  /** Absent where its calls always run alone. */
  readonly batch?: BatchShare | undefined;
}

/** Beyond these many sizes, further ones are served by the session: a compilation a call would be slower. */
const maxVariants = 32;

export class OnnxFunction implements Servable {
  readonly #backends: Backends;
  readonly #record: VersionRecord;
  readonly #source: OnnxSource;
  readonly #signature: FunctionSignature;
  readonly #save: (source: OnnxSource) => Promise<void>;
  readonly #records: ModelVariant[];
  readonly #batches: ModelBatches;
  /** Undefined where the manifest wants it on GPUs only. */
  readonly #cpuModel: CpuModel | undefined;
  /** Of the fallback. */
  readonly #sessionModel: SessionModel;
  onTrouble: Servable["onTrouble"];
  #engine: Engine;
  readonly #open = new Map<string, Promise<OpenVariant>>();
  /** The settled ones of `#open`, for the hot path. */
  readonly #ready = new Map<string, OpenVariant>();

  /** @param save keeps the version's record when a variant was added. */
  constructor(
    backends: Backends,
    record: VersionRecord,
    source: OnnxSource,
    save: (source: OnnxSource) => Promise<void>,
  ) {
    this.#backends = backends;
    this.#record = record;
    this.#source = source;
    this.#signature = record.signature;
    this.#records = [...source.variants];
    this.#engine = engineOf(this.#records);
    this.#save = save;
    this.#cpuModel =
      record.schedule?.cpu === false
        ? undefined
        : { id: record.digest, sizeBytes: source.modelBytes, source: () => this.#modelSource() };
    const owner = tenantOf(backends.device.owner);
    this.#sessionModel = { id: record.digest, owner, source: () => this.#modelSource() };
    this.#batches = new ModelBatches({
      axis: batchAxisOf(record.signature),
      settings: record.batch,
      records: source.batches ?? [],
      compile: async (dimensions, batch) => compileBatch(backends, await this.#request(dimensions), batch),
      open: (variant) => this.#openProgram(variant),
      save: () => this.#saveVariants(),
      hold: () => backends.store.hold(),
      onTrouble: (error) => this.onTrouble?.(error),
    });
  }

  /** Another object only after a variant was added. */
  get engine(): Engine {
    return this.#engine;
  }

  get batching(): Batching {
    return this.#engine.type === "fallback" ? servedAlone : this.#batches.status;
  }

  run(call: ServableCall): Promise<ServedCall> {
    return runPrepared(this, this.#backends.device, call);
  }

  prepare(call: ServableCall): PreparedCall | Promise<PreparedCall> {
    const { inputs, parameters } = call;
    const [parameter] = Object.keys(parameters);
    if (parameter !== undefined)
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot call the model with parameter '${parameter}': a model takes none`,
      );
    const { tensors, dimensions } = bindInputs(this.#signature.inputs, inputs);
    // Without elements there is no work for a GPU, and other sizes are not to be judged by this one.
    if (tensors.some((tensor) => elementCount(tensor.shape) === 0)) return this.#session(call);
    const key = keyOf(dimensions);
    const variant = this.#ready.get(key);
    if (variant !== undefined) return this.#prepareFor(variant, tensors, call);
    return this.#variant(key, dimensions).then((opened) => this.#prepareFor(opened, tensors, call));
  }

  /** Compiles a variant ahead of its first call. */
  async addVariant(
    dimensions: Readonly<Record<string, number>>,
    progress: (progress: DeployProgress) => void,
  ): Promise<void> {
    const key = keyOf(dimensions);
    await this.#variant(key, dimensions, progress);
  }

  async warm(): Promise<void> {
    for (const { type, dimensions } of [...this.#records]) {
      if (type !== "program") continue;
      const { program } = await this.#variant(keyOf(dimensions), dimensions);
      if (program !== undefined) await this.#backends.device.load(program.stored);
    }
    for (const { stored } of this.#batches.programs) await this.#backends.device.load(stored);
  }

  async inspect(): Promise<unknown> {
    const variants = [];
    for (const record of this.#records) {
      if (record.type === "fallback") variants.push(record);
      else {
        const program = await readProgram(this.#backends.store.programs, record.program);
        const { dimensions, maxAbsoluteError, writesBeforeReads } = record;
        variants.push({
          type: "program",
          dimensions,
          maxAbsoluteError,
          writesBeforeReads,
          program: describeProgram(program),
        });
      }
    }
    return {
      kind: "onnx",
      modelBytes: this.#source.modelBytes,
      dimensions: this.#source.dimensions,
      variants,
      batches: this.#batches.records.map((record) => {
        const { dimensions, rows } = record;
        if (record.type === "refused") return { type: record.type, dimensions, rows, reason: record.reason };
        return { type: record.type, dimensions, rows, maxAbsoluteError: record.maxAbsoluteError };
      }),
    };
  }

  async dispose(): Promise<void> {
    const programs = [...this.#ready.values().map(({ program }) => program), ...this.#batches.programs];
    this.#batches.dispose();
    this.#open.clear();
    this.#ready.clear();
    await this.#backends.sessions.close(this.#sessionModel);
    await Promise.all(programs.map((program) => program && this.#backends.device.unload(program.stored.id)));
  }

  #variant(
    key: string,
    dimensions: Readonly<Record<string, number>>,
    progress?: (progress: DeployProgress) => void,
  ): Promise<OpenVariant> {
    let opening = this.#open.get(key);
    if (opening === undefined) {
      opening = this.#openVariant(dimensions, progress);
      this.#open.set(key, opening);
      opening.then(
        (variant) => {
          if (this.#open.get(key) === opening) this.#ready.set(key, variant);
        },
        () => {
          if (this.#open.get(key) === opening) this.#open.delete(key);
        },
      );
    }
    return opening;
  }

  async #openVariant(
    dimensions: Readonly<Record<string, number>>,
    progress?: (progress: DeployProgress) => void,
  ): Promise<OpenVariant> {
    const key = keyOf(dimensions);
    let record = this.#records.find((one) => keyOf(one.dimensions) === key);
    if (record === undefined) {
      // Until the record names them, what the compilation stores must survive a collection.
      using _hold = this.#backends.store.hold();
      const batch = this.#batches.variantFor(dimensions);
      record =
        batch === undefined
          ? await this.#compile(dimensions, progress)
          : { type: "program", dimensions, ...compiledParts(batch) };
      this.#records.push(record);
      this.#engine = engineOf(this.#records);
      await this.#saveVariants();
    }
    if (record.type === "fallback") return { record };
    const program = await this.#openProgram(record);
    return { record, program, batch: this.#batches.shareFor(dimensions, program.inputs) };
  }

  get #timeLimits() {
    return { statedMs: this.#record.timeLimitMs, mostMs: this.#backends.device.owner.maxTimeLimitMs };
  }

  #openProgram(variant: CompiledVariant): Promise<ModelProgram> {
    return openModelProgram(this.#backends.store.programs, variant, this.#timeLimits);
  }

  #saveVariants(): Promise<void> {
    const batches = [...this.#batches.records];
    return this.#save({
      ...this.#source,
      variants: [...this.#records],
      ...(batches.length > 0 && { batches }),
    });
  }

  async #compile(
    dimensions: Readonly<Record<string, number>>,
    progress: (progress: DeployProgress) => void = () => {},
  ): Promise<ModelVariant> {
    if (this.#records.length >= maxVariants)
      return { type: "fallback", dimensions, reason: `the model has ${maxVariants} other variants already` };
    // What keeps one variant off the GPU keeps all off it.
    const known = this.#records.find((one) => one.type === "fallback");
    if (known !== undefined) return { ...known, dimensions };
    return compileVariant(this.#backends, await this.#request(dimensions), progress);
  }

  async #request(dimensions: Readonly<Record<string, number>>): Promise<VariantRequest> {
    return { source: await this.#modelSource(), dimensions, modelBytes: this.#source.modelBytes };
  }

  #prepareFor(
    variant: OpenVariant,
    tensors: readonly CallTensor[],
    call: ServableCall,
  ): PreparedCall | Promise<PreparedCall> {
    const { program } = variant;
    if (program === undefined) return this.#session(call);
    if (!needsBytes(program.inputs, tensors)) return this.#prepareProgram(variant, program, tensors, call);
    return readOthers(program.inputs, tensors, this.#backends.device).then((known) =>
      this.#prepareProgram(variant, program, known, call),
    );
  }

  #prepareProgram(
    { batch }: OpenVariant,
    { inputs, outputs, stored }: ModelProgram,
    tensors: readonly CallTensor[],
    call: ServableCall,
  ): PreparedCall {
    const values = programInputs(inputs, tensors);
    if (values === undefined) return this.#session(call);
    const keep = keptOutputs({ outputs }, call);
    const isPlain = keep?.includes(true) !== true && tensors.every(isTensor);
    const joins = batch !== undefined && batch.rows < batch.group.maxRows && isPlain;
    return {
      type: "program",
      program: stored,
      inputs: values,
      keep,
      outputs,
      wanted: call.outputs,
      batch: joins ? batch : undefined,
      onCpu:
        isPlain && this.#cpuModel !== undefined
          ? { model: this.#cpuModel, inputs: call.inputs as Tensors }
          : undefined,
    };
  }

  #session({ inputs, outputs, signal }: ServableCall): PreparedCall {
    return { type: "session", run: () => this.#runSession(inputs, outputs, signal) };
  }

  async #runSession(
    given: ServableCall["inputs"],
    wanted: ServableCall["outputs"],
    signal: AbortSignal,
  ): Promise<ServedCall> {
    const { sessions, device } = this.#backends;
    const inputs = await allAsBytes(given, device);
    const names = wanted ?? this.#signature.outputs.map(({ name }) => name);
    const limitMs = sessionLimitFor(this.#timeLimits);
    const run = await sessions.run(this.#sessionModel, { inputs, outputs: names, limitMs }, signal);
    return {
      outputs: names.map((name) => ({ name, tensor: run.outputs.get(name)! })),
      timings: [
        ["load", run.loadMs],
        ["queue", run.queueMs],
        ["execute", run.executeMs],
      ],
    };
  }

  /** ONNX Runtime takes whatever bytes it is given, and is slower than the look at them. */
  async #modelSource(): Promise<ModelSource> {
    const { blobs } = this.#backends.store;
    const check = async (digest: string) => {
      await blobs.check(digest);
      return blobs.path(digest);
    };
    const files: Record<string, string> = {};
    for (const [name, digest] of Object.entries(this.#source.files)) files[name] = await check(digest);
    return { modelPath: await check(this.#source.model), files };
  }
}

/** What holds for a model's variants together: the fallback's reason where one has it, the largest error otherwise. */
function engineOf(variants: readonly ModelVariant[]): Engine {
  const errors: number[] = [];
  for (const variant of variants) {
    if (variant.type === "fallback") return { type: "fallback", reason: variant.reason };
    errors.push(variant.maxAbsoluteError);
  }
  return errors.length === 0
    ? { type: "program" }
    : { type: "program", maxAbsoluteError: Math.max(...errors) };
}

const servedAlone: Batching = { type: "none", reason: "sessions of ONNX Runtime take one call at a time" };

function compiledParts(variant: CompiledVariant): CompiledVariant {
  const { program, weights, maxAbsoluteError, slowestRunMs, writesBeforeReads } = variant;
  return {
    ...{ program, weights, maxAbsoluteError, writesBeforeReads },
    ...(slowestRunMs !== undefined && { slowestRunMs }),
  };
}
