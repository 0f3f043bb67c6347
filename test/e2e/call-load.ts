/**
 * Callers that call functions over and over and look at each answer, while a test does harm to what they call. Notes
 * when each call began and ended, so that a test can tell for how long a fault was felt.
 */
import type { Tensors } from "../../kernels/tensor.ts";
import type { Client } from "./client.ts";
import { outputsDigest } from "./function-crowd.ts";

export interface Callee {
  readonly name: string;
  readonly inputs: Tensors;
  /** Digest of the outputs that it gives when all is well. */
  readonly expected: string;
}

export interface CallLoadOptions {
  readonly callees: readonly Callee[];
  /** Asked before each call: a server that was started again is at another address. */
  readonly client: () => Client;
  /** The server may go away: calls whose connection ends count as cut, not as lost. */
  readonly mayBeCut?: boolean;
}

/** Milliseconds. */
export interface Felt {
  /** From the fault to the first right answer of a call that began after it. */
  readonly firstAnswerMs: number;
  /** The longest time from the fault on in which there was no right answer. */
  readonly silenceMs: number;
  /** The longest of the calls that were right and ended after the fault. */
  readonly longestCallMs: number;
}

/** Times by `performance.now()`. */
interface RightAnswer {
  readonly name: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

/** After a call that was cut, before the next. */
const cutPauseMs = 20;

export class CallLoad {
  /** Wrong answers and failures, in words. */
  readonly failures: string[] = [];
  readonly #options: CallLoadOptions;
  readonly #callers: readonly Promise<void>[];
  readonly #right: RightAnswer[] = [];
  #cut = 0;
  #isOver = false;

  /** Begins to call, each function from one caller. */
  constructor(options: CallLoadOptions) {
    this.#options = options;
    this.#callers = options.callees.map((callee) => this.#callOverAndOver(callee));
  }

  /** Answers that were right. */
  get answered(): number {
    return this.#right.length;
  }

  /** Calls whose connection ended. */
  get cut(): number {
    return this.#cut;
  }

  /** Waits until each function has given a right answer to a call that began after now, or one has failed. */
  async whenAllAnswered(): Promise<void> {
    const since = performance.now();
    const missing = new Set(this.#options.callees.map(({ name }) => name));
    let seen = this.#right.length;
    while (missing.size > 0 && this.failures.length === 0) {
      await pause(10);
      for (; seen < this.#right.length; seen++) {
        const { name, beganAt } = this.#right[seen]!;
        if (beganAt >= since) missing.delete(name);
      }
    }
  }

  /** Waits for the calls that are under way. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#callers);
  }

  /** @param faultAt by `performance.now()`. */
  felt(faultAt: number): Felt {
    const after = this.#right.filter(({ endedAt }) => endedAt > faultAt);
    const begun = after.filter(({ beganAt }) => beganAt >= faultAt);
    let silenceMs = 0;
    let last = faultAt;
    // In the order in which they ended.
    for (const { endedAt } of after) {
      silenceMs = Math.max(silenceMs, endedAt - last);
      last = endedAt;
    }
    return {
      firstAnswerMs: begun.reduce((least, { endedAt }) => Math.min(least, endedAt - faultAt), Infinity),
      silenceMs,
      longestCallMs: after.reduce((most, { beganAt, endedAt }) => Math.max(most, endedAt - beganAt), 0),
    };
  }

  async #callOverAndOver({ name, inputs, expected }: Callee): Promise<void> {
    const { client, mayBeCut = false } = this.#options;
    while (!this.#isOver) {
      const beganAt = performance.now();
      try {
        const answer = await client().tryInfer(name, inputs);
        if ("error" in answer)
          this.failures.push(`${name}: ${answer.status} ${answer.code}: ${answer.error}`);
        else if (outputsDigest(answer.outputs) !== expected) this.failures.push(`${name}: a wrong answer`);
        else this.#right.push({ name, beganAt, endedAt: performance.now() });
      } catch (error) {
        // What `fetch` says where the other side is no longer there.
        const isCut = mayBeCut && error instanceof TypeError;
        if (isCut) this.#cut++;
        else this.failures.push(`${name}: ${error}`);
        await pause(cutPauseMs);
      }
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
