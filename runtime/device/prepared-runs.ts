/**
 * Command buffers encoded ahead: while nothing runs, the next run of a Program that ran lately is encoded, so that it
 * only writes its inputs and submits. A command buffer can be submitted once; each run uses one up.
 */
import type { BoundProgram } from "./bound-program.ts";
import type { CountedBuffer } from "./ledger.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { ReadbackPool } from "./readback.ts";

export interface PreparedRun {
  /** What it was encoded from. Where the Program is bound anew, memory has moved: it is of no use. */
  readonly bound: BoundProgram;
  readonly commands: GPUCommandBuffer;
  /** Where the outputs go; undefined where there are none. */
  readonly staging: CountedBuffer | undefined;
}

/** Programs that have a run prepared; each holds a staging buffer. */
const capacity = 16;

export class PreparedRuns {
  readonly #readback: ReadbackPool;
  /** In the order of their making. */
  readonly #runs = new Map<LoadedProgram, PreparedRun>();

  constructor(readback: ReadbackPool) {
    this.#readback = readback;
  }

  has(program: LoadedProgram): boolean {
    return this.#runs.has(program);
  }

  /** Hands a prepared run over, with its staging buffer. @param bound what the Program is bound to now. */
  take(program: LoadedProgram, bound: BoundProgram): PreparedRun | undefined {
    const run = this.#runs.get(program);
    if (run === undefined) return undefined;
    this.#runs.delete(program);
    if (run.bound === bound) return run;
    if (run.staging !== undefined) this.#readback.give(run.staging);
    return undefined;
  }

  put(program: LoadedProgram, run: PreparedRun): void {
    const [oldest] = this.#runs.keys();
    if (this.#runs.size >= capacity && oldest !== undefined) this.#drop(oldest);
    this.#runs.set(program, run);
  }

  clear(): void {
    for (const program of this.#runs.keys()) this.#drop(program);
  }

  #drop(program: LoadedProgram): void {
    const staging = this.#runs.get(program)?.staging;
    this.#runs.delete(program);
    if (staging !== undefined) this.#readback.give(staging);
  }
}
