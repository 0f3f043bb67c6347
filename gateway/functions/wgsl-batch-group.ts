/**
 * Calls of a WGSL bundle that differ in nothing but their rows: inputs whose first dimension is the batch's are joined
 * along it, all others and all parameters are equal. A Program takes microseconds to build, so that any number of rows
 * is ready and no run is filled up.
 */
import { createHash } from "node:crypto";
import type { BundleBatch } from "../../kernels/manifest/batch-settings.ts";
import type { InputShapes, ParameterValues, Resolved } from "../../kernels/manifest/bundle.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { Tensor, TensorSignature } from "../../kernels/tensor.ts";
import type { OwnedProgram } from "../devices/owner.ts";
import { mergeInput, sharesOf, splitRun } from "./merge-rows.ts";
import type { BatchGroup, MergedCall, PreparedProgram } from "./prepared-call.ts";

/** What a version's groups have in common. */
export interface WgslBatchSource {
  readonly batch: BundleBatch;
  /** See `newBatchScope`. */
  readonly scope: string;
  readonly signature: readonly TensorSignature[];
  /** Resolves a call of these sizes and builds its Program, unless that is there. @throws DawnletError */
  readonly programFor: (shapes: InputShapes, parameters: ParameterValues) => MergedProgram;
}

export interface MergedProgram {
  readonly program: Pick<Program, "inputs" | "outputs">;
  readonly stored: OwnedProgram;
  readonly uniforms: readonly Uint8Array[];
}

/** One of the calls, whose group it is. */
export interface WgslCall {
  readonly resolved: Resolved;
  /** By position in the signature. */
  readonly tensors: readonly Tensor[];
  readonly parameters: ParameterValues;
}

/** What all calls share is hashed at each of them: beyond this, that would take longer than a run's fixed costs. */
const maxSharedBytes = 2 ** 20;

export class WgslBatchGroup implements BatchGroup {
  readonly #source: WgslBatchSource;
  readonly #call: WgslCall;
  #key: string | undefined;

  constructor(source: WgslBatchSource, call: WgslCall) {
    this.#source = source;
    this.#call = call;
  }

  /** False where calls share more bytes than are worth comparing. */
  static canShare({ batch, signature }: WgslBatchSource, tensors: readonly Tensor[]): boolean {
    let bytes = 0;
    for (const [i, { data }] of tensors.entries())
      if (signature[i]!.shape[0] !== batch.dimension) bytes += data.byteLength;
    return bytes <= maxSharedBytes;
  }

  get key(): string {
    this.#key ??= this.#findKey();
    return this.#key;
  }

  get maxRows(): number {
    return this.#source.batch.maxRows;
  }

  readySizes(): "any" {
    return "any";
  }

  sizeFor(rows: number): number | undefined {
    return rows <= this.maxRows ? rows : undefined;
  }

  want(): Promise<void> {
    return Promise.resolve();
  }

  merge(calls: readonly PreparedProgram[]): MergedCall {
    const shares = sharesOf(calls, this.key);
    const rows = shares.reduce((sum, share) => sum + share, 0);
    if (rows > this.maxRows) throw new RangeError(`There is no run of ${rows} rows: at most ${this.maxRows}`);
    const { signature, programFor } = this.#source;
    const shapes: Record<string, readonly number[]> = {};
    for (const [i, { name }] of signature.entries()) {
      const { shape } = this.#call.tensors[i]!;
      shapes[name] = this.#isJoined(i) ? [rows, ...shape.slice(1)] : shape;
    }
    const { program, stored, uniforms } = programFor(shapes, this.#call.parameters);
    const inputs = signature.map((_, i) =>
      this.#isJoined(i) ? mergeInput(calls, i, program.inputs[i]!) : this.#call.tensors[i]!.data,
    );
    return {
      program: stored,
      inputs: [...inputs, ...uniforms],
      rows,
      split: (run) => splitRun(run, program.outputs, shares),
    };
  }

  #isJoined(position: number): boolean {
    const { signature, batch } = this.#source;
    return signature[position]!.shape[0] === batch.dimension;
  }

  #findKey(): string {
    const { scope, batch } = this.#source;
    const { resolved, tensors } = this.#call;
    const values = [...resolved.scope].filter(([name]) => name !== batch.dimension);
    const shared = tensors.filter((_, i) => !this.#isJoined(i));
    return `${scope} ${values.map((pair) => pair.join("=")).join()} ${digestOf(shared)}`;
  }
}

function digestOf(tensors: readonly Tensor[]): string {
  if (tensors.length === 0) return "";
  const hash = createHash("sha256");
  for (const { data } of tensors) hash.update(data);
  return hash.digest("hex");
}
