/**
 * Shares the processor time of one process out among the requests that it works on. Which of them the time was for, nobody
 * can tell: each is charged an equal part while it runs, and so a request alone is charged exactly. What is done while
 * there is no request is nobody's, and counted until the process rests.
 */
export interface Charged {
  cpuMs: number;
}

/** A process that takes less of a processor than this has left requests behind that were given up. */
const restShare = 0.1;

export class ProcessorAccount<T extends Charged> {
  readonly #running = new Set<T>();
  /** Given up by their callers; whether the process still works on them, it does not say. */
  readonly #abandoned = new Set<T>();
  #lastCpuMs: number | undefined;
  #lastAtMs = 0;
  #nobodysMs = 0;

  get isEmpty(): boolean {
    return this.#running.size === 0 && this.#abandoned.size === 0;
  }

  /** Time without a rest that was spent while there was no request. */
  get nobodysMs(): number {
    return this.#nobodysMs;
  }

  begin(call: T): void {
    // What the process has done for nobody is not this request's.
    if (this.isEmpty) this.#lastCpuMs = undefined;
    this.#running.add(call);
  }

  /** @param wasAnswered false where its caller gave up. */
  end(call: T, wasAnswered: boolean): void {
    if (this.#running.delete(call) && !wasAnswered) this.#abandoned.add(call);
  }

  /**
   * @param cpuMs of the process, since it began.
   * @returns those that have used more than `limitMs`.
   */
  charge(cpuMs: number, nowMs: number, limitMs: number): readonly T[] {
    const spentMs = cpuMs - (this.#lastCpuMs ?? cpuMs);
    const passedMs = nowMs - this.#lastAtMs;
    this.#lastCpuMs = cpuMs;
    this.#lastAtMs = nowMs;
    const rests = spentMs < restShare * passedMs;
    if (rests) this.#abandoned.clear();
    const calls = [...this.#running, ...this.#abandoned];
    if (rests) this.#nobodysMs = 0;
    else if (calls.length === 0) this.#nobodysMs += spentMs;
    for (const call of calls) call.cpuMs += spentMs / calls.length;
    return calls.filter((call) => call.cpuMs > limitMs);
  }
}
