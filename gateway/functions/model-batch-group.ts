/**
 * Calls of one model whose examples have the same sizes, as runs of 2, 4, 8, … examples. Knows which of these runs are
 * ready and how calls become one; what is compiled and kept, ModelBatches decides.
 */

import { mergeInput, sharesOf, splitRun } from "./merge-rows.ts";
import type { ModelProgram } from "./model-program.ts";
import type { BatchGroup, MergedCall, PreparedProgram } from "./prepared-call.ts";

export interface GroupParts extends Pick<ModelBatchGroup, "key" | "dimensions" | "types" | "maxRows"> {
  readonly want: BatchGroup["want"];
}

export class ModelBatchGroup implements BatchGroup {
  readonly key: string;
  /** Of one example. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Of the inputs. */
  readonly types: string;
  readonly want: BatchGroup["want"];
  /** By the number of rows. */
  readonly #programs = new Map<number, ModelProgram>();
  #maxRows: number;
  #sizes: readonly number[] = [];

  constructor({ key, dimensions, types, maxRows, want }: GroupParts) {
    this.key = key;
    this.dimensions = dimensions;
    this.types = types;
    this.want = want;
    this.#maxRows = maxRows;
  }

  get maxRows(): number {
    return this.#maxRows;
  }

  /** What is ready to run. */
  get programs(): Iterable<ModelProgram> {
    return this.#programs.values();
  }

  readySizes(): readonly number[] {
    return this.#sizes;
  }

  sizeFor(rows: number): number | undefined {
    return this.#sizes.find((size) => size >= rows);
  }

  /** Makes a size ready. */
  add(rows: number, program: ModelProgram): void {
    this.#programs.set(rows, program);
    this.limitTo(this.#maxRows);
  }

  /** Larger ones are ready no more. */
  limitTo(maxRows: number): void {
    this.#maxRows = maxRows;
    this.#sizes = [...this.#programs.keys()].filter((rows) => rows <= maxRows).sort((a, b) => a - b);
  }

  merge(calls: readonly PreparedProgram[]): MergedCall {
    const shares = sharesOf(calls, this.key);
    const wanted = shares.reduce((sum, rows) => sum + rows, 0);
    const rows = this.sizeFor(wanted);
    const program = rows === undefined ? undefined : this.#programs.get(rows);
    if (rows === undefined || program === undefined)
      throw new RangeError(
        `There is no run of ${wanted} rows: ${this.#sizes.join(", ") || "none"} are ready`,
      );
    return {
      program: program.stored,
      inputs: program.inputs.map((spec, i) => mergeInput(calls, i, spec)),
      rows,
      split: (run) => splitRun(run, program.outputs, shares),
    };
  }
}
