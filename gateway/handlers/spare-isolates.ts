/**
 * Processes that wait for a handler: started ahead, so that a handler that is called after a pause starts in the time that
 * its own code takes.
 */
import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../runtime/platform/platform.ts";
import { IsolateProcess } from "../../runtime/supervisor/isolate-process.ts";

export interface SpareOptions {
  readonly platform: Platform;
  /** Of the JavaScript heap of each. */
  readonly heapBytes: number;
  /** How many wait at a time, once the first was asked for. */
  readonly count: number;
  /** Made once, when the first is wanted. */
  readonly script?: () => Promise<string>;
}

/** Not at once: the handler that has just taken one is to have the processor. */
const refillDelayMs = 250;
const log = getLogger(["dawnlet", "handlers"]);

export class SpareIsolates {
  readonly #options: SpareOptions;
  readonly #waiting: IsolateProcess[] = [];
  #script: Promise<string | undefined> | undefined;
  #starting = 0;
  #refilling: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(options: SpareOptions) {
    this.#options = options;
  }

  /** @param heapBytes others than the spare ones have are started anew. @throws DawnletError UNAVAILABLE */
  async take(heapBytes: number): Promise<IsolateProcess> {
    const spare = heapBytes === this.#options.heapBytes ? this.#waiting.shift() : undefined;
    this.#refillSoon();
    return spare ?? this.#spawn(heapBytes);
  }

  /** To be called once handlers are there: the first one starts quickly too. */
  refill(): void {
    while (this.#waiting.length + this.#starting < this.#options.count && !this.#isStopped) {
      this.#starting++;
      this.#spawn(this.#options.heapBytes)
        .then(
          (spare) => this.#keep(spare),
          (error: unknown) => log.warn("no process could be started ahead: {error}", { error }),
        )
        .finally(() => {
          this.#starting--;
        });
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#refilling);
    for (const spare of this.#waiting.splice(0)) spare.kill();
  }

  #keep(spare: IsolateProcess): void {
    if (this.#isStopped) {
      spare.kill();
      return;
    }
    this.#waiting.push(spare);
    void spare.closed.then(() => {
      const index = this.#waiting.indexOf(spare);
      if (index >= 0) this.#waiting.splice(index, 1);
    });
  }

  #refillSoon(): void {
    if (this.#refilling !== undefined || this.#isStopped) return;
    this.#refilling = setTimeout(() => {
      this.#refilling = undefined;
      this.refill();
    }, refillDelayMs);
    this.#refilling.unref();
  }

  async #spawn(heapBytes: number): Promise<IsolateProcess> {
    this.#script ??= this.#makeScript();
    return IsolateProcess.spawn({ platform: this.#options.platform, heapBytes, script: await this.#script });
  }

  /** Undefined where it cannot be made: the sources do too, but start slowly. */
  async #makeScript(): Promise<string | undefined> {
    try {
      return await this.#options.script?.();
    } catch (error) {
      log.warn("processes of handlers start slowly as their program cannot be bundled: {error}", { error });
      return undefined;
    }
  }
}
