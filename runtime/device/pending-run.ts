/** A run between its arrival and its answer: holds its Program, and settles once. */
import type { RunOutput, RunResult } from "./api.ts";
import type { Waiting } from "./fair-queue.ts";
import type { TensorInput } from "./kept-tensors.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { RunTensors } from "./run-tensors.ts";

/** How a run stands to others; see `RunRequest`. */
export interface RunStanding {
  readonly urgencyMs?: number | undefined;
  readonly share?: number | undefined;
}

export class PendingRun implements Waiting<LoadedProgram> {
  readonly program: LoadedProgram;
  readonly inputs: readonly TensorInput[];
  /** Undefined where it takes and gives bytes. */
  readonly tensors: RunTensors | undefined;
  readonly urgencyMs: number | undefined;
  readonly share: number;
  readonly arrivedAt = performance.now();
  /** When its weights were there. */
  loadedAt = this.arrivedAt;
  readonly #resolve: (result: RunResult<RunOutput>) => void;
  readonly #reject: (error: unknown) => void;
  #isSettled = false;

  constructor(
    program: LoadedProgram,
    inputs: readonly TensorInput[],
    tensors: RunTensors | undefined,
    { urgencyMs, share = 1 }: RunStanding,
    resolve: (result: RunResult<RunOutput>) => void,
    reject: (error: unknown) => void,
  ) {
    this.program = program;
    this.inputs = inputs;
    this.tensors = tensors;
    this.urgencyMs = urgencyMs;
    this.share = share;
    this.#resolve = resolve;
    this.#reject = reject;
    program.retain();
  }

  /** Whose places in rounds it takes. */
  get key(): LoadedProgram {
    return this.program;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get loadMs(): number {
    return this.loadedAt - this.arrivedAt;
  }

  resolve(result: RunResult<RunOutput>): void {
    if (this.#settle()) this.#resolve(result);
  }

  reject(error: unknown): void {
    if (!this.#settle()) return;
    this.tensors?.failed();
    this.#reject(error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.program.release();
    return true;
  }
}
