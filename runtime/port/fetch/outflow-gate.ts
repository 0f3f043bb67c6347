/**
 * Holds back bytes while the other side does not take those that were sent before: credit is only its word.
 * Carriers do not say when their queue has become shorter, so it is looked at again and again while anybody waits.
 * Where the carrier does not know its queue (a MessagePort) the gate is always open.
 */
import type { Port } from "../port.ts";

const firstPauseMs = 1;
const longestPauseMs = 32;

export class OutflowGate {
  readonly #port: Port;
  readonly #maxQueuedBytes: number;
  #isReleased = false;
  #waiting: PromiseWithResolvers<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(port: Port, maxQueuedBytes: number) {
    this.#port = port;
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  get isOpen(): boolean {
    return this.#isReleased || (this.#port.queuedBytes ?? 0) <= this.#maxQueuedBytes;
  }

  /** Settles once the gate is open. Never rejects. */
  opened(): Promise<void> {
    if (this.isOpen) return Promise.resolve();
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      this.#look(firstPauseMs);
    }
    return this.#waiting.promise;
  }

  /** Opens the gate for good: nothing is sent any more. */
  release(): void {
    this.#isReleased = true;
    this.#settle();
  }

  #look(pauseMs: number): void {
    this.#timer = setTimeout(() => {
      if (this.isOpen) this.#settle();
      else this.#look(Math.min(2 * pauseMs, longestPauseMs));
    }, pauseMs);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
