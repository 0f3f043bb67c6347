/**
 * A WGSL bundle that answers calls. The sizes of a call choose a Program; the Programs of the last few sizes stay
 * loaded, and values that go into uniforms change nothing but bytes.
 */
import { loadWgslBundle, type Resolved, type WgslBundle } from "../../kernels/manifest/bundle.ts";
import { describeProgram } from "../../kernels/program/describe.ts";
import type { Program } from "../../kernels/program/program.ts";
import { timeLimitFor } from "../../runtime/supervisor/time-limit.ts";
import { asDeviceValue } from "../devices/call-tensor.ts";
import { type OwnedProgram, weightsOf } from "../devices/owner.ts";
import { bindInputs } from "./bind-inputs.ts";
import { trialCall } from "./check-shaders.ts";
import type { FunctionSignature } from "./functions.ts";
import type { VersionRecord, WgslSource } from "./record.ts";
import {
  type Backends,
  deviceTimings,
  keptOutputs,
  nameOutputs,
  type Servable,
  type ServableCall,
  type ServedCall,
} from "./servable.ts";

interface Variant {
  readonly program: Program;
  readonly stored: OwnedProgram;
}

/** Programs that stay loaded a function; the one used longest ago goes first. */
const maxVariants = 16;

export class WgslFunction implements Servable {
  readonly engine = { type: "program" } as const;
  readonly #backends: Backends;
  readonly #source: WgslSource;
  readonly #digest: string;
  readonly #signature: FunctionSignature;
  readonly #timeLimitMs: number;
  /** In the order of last use. */
  readonly #variants = new Map<string, Variant>();
  #bundle: Promise<WgslBundle> | undefined;

  constructor(backends: Backends, record: VersionRecord, source: WgslSource, bundle?: WgslBundle) {
    this.#backends = backends;
    this.#source = source;
    this.#digest = record.digest;
    this.#signature = record.signature;
    this.#timeLimitMs = timeLimitFor({ statedMs: record.timeLimitMs });
    if (bundle !== undefined) this.#bundle = Promise.resolve(bundle);
  }

  async run(call: ServableCall): Promise<ServedCall> {
    const { inputs, parameters, outputs, signal } = call;
    const { tensors } = bindInputs(this.#signature.inputs, inputs);
    const bundle = await this.#load();
    const shapes: Record<string, readonly number[]> = {};
    for (const [i, { name }] of this.#signature.inputs.entries()) shapes[name] = tensors[i]!.shape;
    const resolved = bundle.resolve(shapes, parameters);
    const { program, stored } = this.#variant(bundle, resolved);
    const values = [...tensors.map(asDeviceValue), ...resolved.uniforms];
    const run = await this.#backends.device.run(stored, values, signal, keptOutputs(program, call));
    return { outputs: nameOutputs(program, run, outputs), timings: deviceTimings(run), device: run.device };
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

  #load(): Promise<WgslBundle> {
    this.#bundle ??= readFiles(this.#backends, this.#source).then(loadWgslBundle);
    this.#bundle.catch(() => {
      this.#bundle = undefined;
    });
    return this.#bundle;
  }

  #variant(bundle: WgslBundle, resolved: Resolved): Variant {
    let variant = this.#variants.get(resolved.key);
    if (variant === undefined) {
      const program = bundle.build(resolved);
      const stored: OwnedProgram = {
        id: `${this.#digest}:${resolved.key}`,
        options: { writesBeforeReads: false },
        weights: weightsOf(program),
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
