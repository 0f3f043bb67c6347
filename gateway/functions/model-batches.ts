/**
 * The variants of a model that take several examples at once: which sizes there can be, which were compiled and shown to
 * give each example what it gives alone, and which were refused and why. One is compiled at a time, in the background.
 * What these variants are made of is compile-variant.ts's matter, how calls share them ModelBatchGroup's.
 */
import { getLogger } from "@logtape/logtape";
import { defaultBatchRows } from "../../kernels/manifest/batch-settings.ts";
import { type BatchAxis, type BatchOf, withRows } from "../../models/batch-axis.ts";
import type { Batching } from "./functions.ts";
import { ModelBatchGroup } from "./model-batch-group.ts";
import type { ModelProgram } from "./model-program.ts";
import { type BatchShare, newBatchScope } from "./prepared-call.ts";
import type { BatchVariant, CompiledVariant, VersionRecord } from "./record.ts";

const log = getLogger(["dawnlet", "batches"]);

/** Beyond these many, no more sizes are compiled. */
const maxBatches = 32;

export type Sizes = Readonly<Record<string, number>>;

export interface ModelBatchesOptions {
  readonly axis: BatchAxis;
  /** The manifest's. */
  readonly settings: VersionRecord["batch"];
  readonly records: readonly BatchVariant[];
  /** @param dimensions of one example. @throws DawnletError */
  readonly compile: (dimensions: Sizes, batch: BatchOf) => Promise<BatchVariant>;
  /** @throws DawnletError where it is damaged. */
  readonly open: (variant: CompiledVariant) => Promise<ModelProgram>;
  /** Keeps `records`. */
  readonly save: () => Promise<void>;
  /** What is stored meanwhile survives collections. */
  readonly hold: () => Disposable;
  readonly onTrouble: (error: unknown) => void;
}

type Refusal = Extract<BatchVariant, { type: "refused" }>;
type Proven = Extract<BatchVariant, { type: "program" }>;

export class ModelBatches {
  readonly #options: ModelBatchesOptions;
  readonly #axis: BatchAxis;
  readonly #dimension: string | undefined;
  readonly #sizes: readonly number[];
  readonly #scope = newBatchScope();
  #records: readonly BatchVariant[];
  /** What failed for reasons that say nothing about the model, as a full disk; forgotten with this process. */
  readonly #failures: Refusal[] = [];
  readonly #groups = new Map<string, ModelBatchGroup>();
  #compiling: Promise<void> | undefined;
  #status: Batching;
  #isDisposed = false;

  constructor(options: ModelBatchesOptions) {
    const { axis, settings, records } = options;
    this.#options = options;
    this.#axis = settings === false ? { type: "none", reason: "its manifest turns it off" } : axis;
    this.#dimension = axis.type === "free" ? axis.dimension : undefined;
    this.#sizes = batchSizes((settings === false ? undefined : settings?.max) ?? defaultBatchRows);
    this.#records = records;
    this.#status = this.#currentStatus();
  }

  /** Another object only after it has changed. */
  get status(): Batching {
    return this.#status;
  }

  get records(): readonly BatchVariant[] {
    return this.#records;
  }

  /** What is ready to run. */
  get programs(): Iterable<ModelProgram> {
    return this.#groups.values().flatMap(({ programs }) => programs);
  }

  /**
   * The part of calls with these sizes; undefined where none of them ever joins others.
   * @param inputs of the Program that runs such a call alone: what is joined must be of the same types.
   */
  shareFor(dimensions: Sizes, inputs: ModelProgram["inputs"]): BatchShare | undefined {
    if (this.#status.type === "none") return undefined;
    const rows = this.#dimension === undefined ? 1 : dimensions[this.#dimension]!;
    return { group: this.#group(this.#one(dimensions), typesOf(inputs)), rows };
  }

  /** A variant that takes just these sizes, if one was compiled for several calls: it serves a single one as well. */
  variantFor(dimensions: Sizes): CompiledVariant | undefined {
    const rows = this.#dimension === undefined ? undefined : dimensions[this.#dimension];
    return this.#provenFor(this.#one(dimensions)).find((one) => one.rows === rows);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#groups.clear();
  }

  #group(single: Sizes, types: string): ModelBatchGroup {
    const key = `${this.#scope} ${types} ${keyOf(single)}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const maxRows = this.#maxRows(single);
      const want = (rows: number) => this.#want(group!, rows);
      group = new ModelBatchGroup({ key, dimensions: single, types, maxRows, want });
      this.#groups.set(key, group);
      void this.#openKnown(group);
    }
    return group;
  }

  /** Those that were compiled before. */
  async #openKnown(group: ModelBatchGroup): Promise<void> {
    for (const one of this.#provenFor(group.dimensions))
      if (one.rows <= group.maxRows) await this.#open(group, one).catch(this.#options.onTrouble);
  }

  async #open(group: ModelBatchGroup, variant: Proven): Promise<void> {
    const program = await this.#options.open(variant);
    if (typesOf(program.inputs) !== group.types)
      throw new TypeError(`A batch takes inputs of ${typesOf(program.inputs)}, one call ${group.types}`);
    if (!this.#isDisposed) group.add(variant.rows, program);
  }

  #want(group: ModelBatchGroup, rows: number): Promise<void> {
    if (this.#compiling !== undefined) return this.#compiling;
    const sizes = this.#sizes.filter((size) => size <= group.maxRows);
    const size = sizes.find((one) => one >= rows) ?? sizes.at(-1);
    const isKnown = this.#provenFor(group.dimensions).some((one) => one.rows === size);
    if (size === undefined || isKnown || this.#isDisposed || this.#records.length >= maxBatches)
      return Promise.resolve();
    this.#compiling = this.#compile(group, size).finally(() => {
      this.#compiling = undefined;
    });
    return this.#compiling;
  }

  async #compile(group: ModelBatchGroup, rows: number): Promise<void> {
    const { dimensions } = group;
    const { compile, save, hold } = this.#options;
    const before = this.#records;
    using _hold = hold();
    try {
      const variant = await compile(dimensions, { rows, ...this.#axisName });
      if (this.#isDisposed) return;
      this.#records = [...before, variant];
      await save();
      if (variant.type === "program") await this.#open(group, variant);
      else log.info("no batches of {rows}: {reason}", { rows, reason: variant.reason });
    } catch (error) {
      this.#records = before;
      log.warn("no batches of {rows} for now: {error}", { rows, error });
      const reason = error instanceof Error ? error.message : String(error);
      this.#failures.push({ type: "refused", dimensions, rows, reason, isDependent: false });
    }
    this.#status = this.#currentStatus();
    for (const one of this.#groups.values()) one.limitTo(this.#maxRows(one.dimensions));
  }

  #provenFor(single: Sizes): readonly Proven[] {
    const key = keyOf(single);
    return this.#records
      .filter((one) => one.type === "program")
      .filter((one) => keyOf(one.dimensions) === key);
  }

  get #refusals(): readonly Refusal[] {
    return [...this.#records.filter((one) => one.type === "refused"), ...this.#failures];
  }

  /** The largest size below the smallest that was refused for these sizes; 1 where there is none. */
  #maxRows(single: Sizes): number {
    if (this.#status.type === "none") return 1;
    const key = keyOf(single);
    const refused = this.#refusals.filter(({ dimensions }) => keyOf(dimensions) === key);
    const below = Math.min(...refused.map(({ rows }) => rows));
    return this.#sizes.findLast((size) => size < below) ?? 1;
  }

  #currentStatus(): Batching {
    if (this.#axis.type === "none") return { type: "none", reason: this.#axis.reason };
    const refusals = this.#refusals;
    const dependent = refusals.find(({ isDependent }) => isDependent);
    if (dependent !== undefined) return { type: "none", reason: dependent.reason };
    const proven = this.#records.filter(({ type }) => type === "program").map(({ rows }) => rows);
    const maxRows = this.#sizes.at(-1)!;
    if (proven.length > 0)
      return { type: "proven", maxRows, sizes: [...new Set(proven)].sort((a, b) => a - b) };
    // What keeps the smallest size off the GPU keeps all off it.
    const smallest = refusals.find(({ rows }) => rows === this.#sizes[0]);
    return smallest === undefined ? { type: "untried", maxRows } : { type: "none", reason: smallest.reason };
  }

  get #axisName(): Pick<BatchOf, "dimension"> {
    return this.#dimension === undefined ? {} : { dimension: this.#dimension };
  }

  /** The sizes of one example. */
  #one(dimensions: Sizes): Sizes {
    return withRows(dimensions, { rows: 1, ...this.#axisName });
  }
}

function typesOf(inputs: ModelProgram["inputs"]): string {
  return inputs.map(({ dataType }) => dataType).join();
}

/** 2, 4, 8, … and the largest. */
export function batchSizes(maxRows: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = 2; size < maxRows; size *= 2) sizes.push(size);
  return [...sizes, maxRows];
}

/** Equal for equal sizes. */
export function keyOf(dimensions: Sizes): string {
  return Object.keys(dimensions)
    .sort()
    .map((name) => `${name}=${dimensions[name]}`)
    .join();
}
