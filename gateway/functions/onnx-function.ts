/**
 * An ONNX model that answers calls. Each set of sizes of its free dimensions is a variant: compiled to a Program on
 * first need, once for concurrent callers, and kept in the version's record. A variant that cannot be a Program is
 * served by a session of ONNX Runtime in a process of its own.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { describeProgram } from "../../kernels/program/describe.ts";
import { parseProgram } from "../../kernels/program/parse.ts";
import type { Program } from "../../kernels/program/program.ts";
import { elementCount, narrowTensor } from "../../kernels/tensor.ts";
import type { ModelSource } from "../../runtime/compiler/protocol.ts";
import type { DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import { timeLimitFor } from "../../runtime/supervisor/time-limit.ts";
import { allAsBytes, asBytes, asDeviceValue, type CallTensor, isHeld } from "../devices/call-tensor.ts";
import { type OwnedProgram, weightsOf } from "../devices/owner.ts";
import { bindInputs } from "./bind-inputs.ts";
import { compileVariant } from "./compile-variant.ts";
import type { DeployProgress, Engine, FunctionSignature } from "./functions.ts";
import type { ModelVariant, OnnxSource, VersionRecord } from "./record.ts";
import {
  type Backends,
  deviceTimings,
  keptOutputs,
  nameOutputs,
  type Servable,
  type ServableCall,
  type ServedCall,
} from "./servable.ts";

interface OpenVariant {
  readonly record: ModelVariant;
  /** Absent for the fallback. */
  readonly program?: {
    readonly outputs: Program["outputs"];
    readonly inputs: Program["inputs"];
    readonly stored: OwnedProgram;
  };
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
  }

  /** Another object only after a variant was added. */
  get engine(): Engine {
    return this.#engine;
  }

  async run(call: ServableCall): Promise<ServedCall> {
    const { inputs, parameters, outputs, signal } = call;
    const [parameter] = Object.keys(parameters);
    if (parameter !== undefined)
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot call the model with parameter '${parameter}': a model takes none`,
      );
    const { tensors, dimensions } = bindInputs(this.#signature.inputs, inputs);
    // Without elements there is no work for a GPU, and other sizes are not to be judged by this one.
    if (tensors.some((tensor) => elementCount(tensor.shape) === 0))
      return this.#runSession(inputs, outputs, signal);
    const key = keyOf(dimensions);
    const variant = this.#ready.get(key) ?? (await this.#variant(key, dimensions));
    const { program } = variant;
    if (program === undefined) return this.#runSession(inputs, outputs, signal);
    const known = needsBytes(program.inputs, tensors)
      ? await this.#readOthers(program.inputs, tensors)
      : tensors;
    const values = programInputs(program.inputs, known);
    if (values === undefined) return this.#runSession(inputs, outputs, signal);
    const kept = keptOutputs(program, call);
    const run = await this.#backends.device.run(program.stored, values, signal, kept);
    return { outputs: nameOutputs(program, run, outputs), timings: deviceTimings(run), device: run.device };
  }

  /** Compiles a variant ahead of its first call. */
  async prepare(
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
  }

  async inspect(): Promise<unknown> {
    const variants = [];
    for (const record of this.#records) {
      if (record.type === "fallback") variants.push(record);
      else {
        const program = await this.#readProgram(record.program);
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
    };
  }

  async dispose(): Promise<void> {
    const variants = [...this.#ready.values()];
    this.#open.clear();
    this.#ready.clear();
    await this.#backends.sessions.close(this.#record.digest);
    await Promise.all(
      variants.map(({ program }) => program && this.#backends.device.unload(program.stored.id)),
    );
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
      record = await this.#compile(dimensions, progress);
      this.#records.push(record);
      this.#engine = engineOf(this.#records);
      await this.#save({ ...this.#source, variants: [...this.#records] });
    }
    if (record.type === "fallback") return { record };
    const { program: digest, writesBeforeReads, slowestRunMs } = record;
    const program = await this.#readProgram(digest);
    const { inputs, outputs } = program;
    const { programs } = this.#backends.store;
    const stored: OwnedProgram = {
      id: digest,
      options: { writesBeforeReads },
      weights: weightsOf(program),
      timeLimitMs: timeLimitFor({ statedMs: this.#record.timeLimitMs, verifiedMs: slowestRunMs }),
      readJson: () => programs.read(digest),
    };
    return { record, program: { inputs, outputs, stored } };
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
    const request = {
      source: await this.#modelSource(),
      dimensions,
      modelBytes: this.#source.modelBytes,
    };
    return compileVariant(this.#backends, request, progress);
  }

  /** Those on the device that are of another type than the Program takes. */
  #readOthers(specs: Program["inputs"], tensors: readonly CallTensor[]): Promise<readonly CallTensor[]> {
    const { device } = this.#backends;
    return Promise.all(
      tensors.map((tensor, i) => (tensor.dataType === specs[i]!.dataType ? tensor : asBytes(tensor, device))),
    );
  }

  async #runSession(
    given: ServableCall["inputs"],
    wanted: ServableCall["outputs"],
    signal: AbortSignal,
  ): Promise<ServedCall> {
    const { sessions, device } = this.#backends;
    const inputs = await allAsBytes(given, device);
    const names = wanted ?? this.#signature.outputs.map(({ name }) => name);
    const open = () => this.#modelSource();
    const run = await sessions.run(this.#record.digest, open, inputs, names, signal);
    return {
      outputs: names.map((name) => ({ name, tensor: run.outputs.get(name)! })),
      timings: [
        ["load", run.loadMs],
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

  async #readProgram(digest: string): Promise<Program> {
    const json = await this.#backends.store.programs.read(digest);
    return parseProgram(JSON.parse(new TextDecoder().decode(json)));
  }
}

/** Whether any is to be converted whose bytes are on the device. */
function needsBytes(specs: Program["inputs"], tensors: readonly CallTensor[]): boolean {
  return tensors.some((tensor, i) => isHeld(tensor) && tensor.dataType !== specs[i]!.dataType);
}

/**
 * The inputs as the Program takes them: some int64 inputs as int32, for which their bytes must be here.
 * @returns undefined where a value does not fit, so that only the session can take it.
 */
function programInputs(
  specs: Program["inputs"],
  tensors: readonly CallTensor[],
): readonly DeviceValue[] | undefined {
  const values: DeviceValue[] = [];
  for (const [i, tensor] of tensors.entries()) {
    const isFitting = isHeld(tensor) || tensor.dataType === specs[i]!.dataType;
    const fitting = isFitting ? tensor : narrowTensor(tensor);
    if (fitting === undefined) return undefined;
    values.push(asDeviceValue(fitting));
  }
  return values;
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

function keyOf(dimensions: Readonly<Record<string, number>>): string {
  return Object.keys(dimensions)
    .sort()
    .map((name) => `${name}=${dimensions[name]}`)
    .join();
}
