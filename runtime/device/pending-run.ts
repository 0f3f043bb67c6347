/** A run between its arrival and its answer: holds its Program, and settles once. */
import type { RunResult } from "./api.ts";
import type { LoadedProgram } from "./loaded-program.ts";

export class PendingRun {
  readonly program: LoadedProgram;
  readonly inputs: readonly Uint8Array[];
  readonly arrivedAt = performance.now();
  /** When its weights were there. */
  loadedAt = this.arrivedAt;
  readonly #resolve: (result: RunResult) => void;
  readonly #reject: (error: unknown) => void;
  #isSettled = false;

  constructor(
    program: LoadedProgram,
    inputs: readonly Uint8Array[],
    resolve: (result: RunResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.program = program;
    this.inputs = inputs;
    this.#resolve = resolve;
    this.#reject = reject;
    program.retain();
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get loadMs(): number {
    return this.loadedAt - this.arrivedAt;
  }

  resolve(result: RunResult): void {
    if (this.#settle()) this.#resolve(result);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.program.release();
    return true;
  }
}
