/**
 * A WGSL bundle that answers calls. The sizes of a call choose a Program; the Programs of the last few sizes stay
 * loaded, and values that go into uniforms change nothing but bytes. How calls run together is wgsl-batch-group.ts's.
 */
import { defaultBatchRows } from "../../kernels/manifest/batch-settings.ts";
import {
  type InputShapes,
  loadWgslBundle,
  type ParameterValues,
  type Resolved,
  type WgslBundle,
} from "../../kernels/manifest/bundle.ts";
import { isDivisible } from "../../kernels/program/analyze.ts";
import { describeProgram } from "../../kernels/program/describe.ts";
import type { Program } from "../../kernels/program/program.ts";
import { timeLimitFor } from "../../runtime/supervisor/time-limit.ts";
import { asDeviceValue, type CallTensor, isTensor } from "../devices/call-tensor.ts";
import { type OwnedProgram, weightsOf } from "../devices/owner.ts";
import { bindInputs } from "./bind-inputs.ts";
import { trialCall } from "./check-shaders.ts";
import type { Batching, FunctionSignature } from "./functions.ts";
import { type BatchShare, newBatchScope, type PreparedCall, runPrepared } from "./prepared-call.ts";
import type { VersionRecord, WgslSource } from "./record.ts";
import { type Backends, keptOutputs, type Servable, type ServableCall, type ServedCall } from "./servable.ts";
import { WgslBatchGroup, type WgslBatchSource } from "./wgsl-batch-group.ts";

interface Variant {
  readonly program: Program;
  readonly stored: OwnedProgram;
}

/** Programs that stay loaded a function; the one used longest ago goes first. */
const maxVariants = 16;

export class WgslFunction implements Servable {
  readonly engine = { type: "program" } as const;
  /** What the manifest states was tried at deploy. */
  readonly batching: Batching | undefined;
  readonly #backends: Backends;
  readonly #source: WgslSource;
  readonly #digest: string;
  readonly #signature: FunctionSignature;
  readonly #timeLimitMs: number;
  /** In the order of last use. */
  readonly #variants = new Map<string, Variant>();
  #bundle: Promise<WgslBundle> | undefined;
  /** The same once it is there. */
  #loaded: WgslBundle | undefined;
  #batchSource: WgslBatchSource | undefined;

  constructor(backends: Backends, record: VersionRecord, source: WgslSource, bundle?: WgslBundle) {
    this.#backends = backends;
    this.#source = source;
    this.#digest = record.digest;
    this.#signature = record.signature;
    this.#timeLimitMs = timeLimitFor({
      statedMs: record.timeLimitMs,
      mostMs: backends.device.owner.maxTimeLimitMs,
    });
    if (bundle !== undefined) this.#use(bundle);
    const { batch = false } = record;
    if (batch !== false) this.batching = { type: "proven", maxRows: batch.max ?? defaultBatchRows };
  }

  run(call: ServableCall): Promise<ServedCall> {
    return runPrepared(this, this.#backends.device, call);
  }

  prepare(call: ServableCall): PreparedCall | Promise<PreparedCall> {
    const { tensors } = bindInputs(this.#signature.inputs, call.inputs);
    if (this.#loaded !== undefined) return this.#prepareFor(this.#loaded, tensors, call);
    return this.#load().then((bundle) => this.#prepareFor(bundle, tensors, call));
  }

  /** Before the first call its sizes are guessed: the constants are the same for all. */
  async warm(): Promise<void> {
    const bundle = await this.#load();
    if (this.#variants.size === 0) {
      const trial = trialCall(bundle);
      if (trial === undefined) return;
      this.#variant(bundle, trial.resolved);
    }
    for (const { stored } of [...this.#variants.values()]) await this.#backends.device.load(stored);
  }

  async inspect(): Promise<unknown> {
    const bundle = await this.#load();
    const programs = [...this.#variants.values()].map(({ program }) => describeProgram(program));
    return {
      kind: "wgsl",
      description: bundle.description,
      files: Object.keys(this.#source.files),
      programs,
    };
  }

  async dispose(): Promise<void> {
    const ids = [...this.#variants.values()].map(({ stored }) => stored.id);
    this.#variants.clear();
    await Promise.all(ids.map((id) => this.#backends.device.unload(id)));
  }

  #prepareFor(bundle: WgslBundle, tensors: readonly CallTensor[], call: ServableCall): PreparedCall {
    const { parameters } = call;
    const shapes: Record<string, readonly number[]> = {};
    for (const [i, { name }] of this.#signature.inputs.entries()) shapes[name] = tensors[i]!.shape;
    const resolved = bundle.resolve(shapes, parameters);
    const { program, stored } = this.#variant(bundle, resolved);
    const inputs = [...tensors.map(asDeviceValue), ...resolved.uniforms];
    const keep = keptOutputs(program, call);
    return {
      type: "program",
      program: stored,
      inputs,
      keep,
      outputs: program.outputs,
      wanted: call.outputs,
      batch: this.#shareOf(resolved, tensors, call, keep),
    };
  }

  #shareOf(
    resolved: Resolved,
    tensors: readonly CallTensor[],
    { parameters }: ServableCall,
    keep: readonly boolean[] | undefined,
  ): BatchShare | undefined {
    const source = this.#batchSource;
    if (source === undefined || keep?.includes(true) === true || !tensors.every(isTensor)) return undefined;
    const { dimension, maxRows } = source.batch;
    const rows = resolved.scope.get(dimension)!;
    if (rows >= maxRows || !WgslBatchGroup.canShare(source, tensors)) return undefined;
    return { group: new WgslBatchGroup(source, { resolved, tensors, parameters }), rows };
  }

  #load(): Promise<WgslBundle> {
    this.#bundle ??= readFiles(this.#backends, this.#source)
      .then(loadWgslBundle)
      .then((bundle) => this.#use(bundle));
    this.#bundle.catch(() => {
      this.#bundle = undefined;
    });
    return this.#bundle;
  }

  #use(bundle: WgslBundle): WgslBundle {
    this.#loaded = bundle;
    this.#bundle = Promise.resolve(bundle);
    const { batch } = bundle;
    const { inputs: signature } = this.#signature;
    const programFor = (shapes: InputShapes, parameters: ParameterValues) => {
      const resolved = bundle.resolve(shapes, parameters);
      return { ...this.#variant(bundle, resolved), uniforms: resolved.uniforms };
    };
    if (batch !== undefined) this.#batchSource = { batch, scope: newBatchScope(), signature, programFor };
    return bundle;
  }

  #variant(bundle: WgslBundle, resolved: Resolved): Variant {
    let variant = this.#variants.get(resolved.key);
    if (variant === undefined) {
      const program = bundle.build(resolved);
      const stored: OwnedProgram = {
        id: `${this.#digest}:${resolved.key}`,
        options: { writesBeforeReads: false },
        weights: weightsOf(program),
        isDivisible: isDivisible(program),
        timeLimitMs: this.#timeLimitMs,
        readJson: async () => new TextEncoder().encode(JSON.stringify(program)),
      };
      variant = { program, stored };
    } else if (this.#variants.size === 1) return variant;
    this.#variants.delete(resolved.key);
    this.#variants.set(resolved.key, variant);
    const [oldest] = this.#variants;
    if (this.#variants.size > maxVariants && oldest !== undefined) {
      this.#variants.delete(oldest[0]);
      void this.#backends.device.unload(oldest[1].stored.id);
    }
    return variant;
  }
}

async function readFiles({ store }: Backends, source: WgslSource): Promise<ReadonlyMap<string, Uint8Array>> {
  const entries = Object.entries(source.files);
  const bytes = await Promise.all(entries.map(([, digest]) => store.blobs.read(digest)));
  return new Map(entries.map(([path], i) => [path, bytes[i]!]));
}
