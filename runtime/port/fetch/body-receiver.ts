/**
 * The receiving half of a body: a stream of what the other side sends, and the credit that it gets for it.
 * Keeps at most a window of bytes that nobody has read. More credit is granted when half of the last has been used, so
 * that a body which fits the first credit costs no message.
 */
import type { DawnletError } from "../../../kernels/errors.ts";
import { chunkOverheadBytes, firstCreditBytes } from "./fetch-limits.ts";

/** Less is not worth a message. */
const leastGrantOfWindow = 1 / 4;

/** Pieces of sockets bring several messages up to this size in one buffer. */
const sharedBytes = 64 * 1024;

export interface BodySource {
  grant(bytes: number): void;
  /** The reader wants no more. Not called once the body has ended or failed. */
  cancel(reason: unknown): void;
}

export class BodyReceiver {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #source: BodySource;
  readonly #windowBytes: number;
  #controller!: ReadableByteStreamController;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  /** Bytes and overhead of the queue. */
  #queuedCost = 0;
  #credit = firstCreditBytes;
  /** The credit after the last grant. */
  #fullCredit = firstCreditBytes;
  #isWanted = false;
  /** What follows the queue. */
  #ending: { readonly error?: DawnletError } | undefined;
  #isClosed = false;

  constructor(source: BodySource, windowBytes: number) {
    this.#source = source;
    this.#windowBytes = windowBytes;
    this.stream = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: (reason) => this.#cancel(reason),
    });
  }

  /**
   * Takes the next bytes.
   * @param isAlone whether they are the only attachment of their message.
   * @returns false where the other side had no credit for them, or had ended the body.
   */
  take(bytes: Uint8Array, isAlone: boolean): boolean {
    const cost = bytes.byteLength + chunkOverheadBytes;
    if (this.#ending !== undefined || cost > this.#credit) return false;
    this.#credit -= cost;
    if (this.#isClosed || bytes.byteLength === 0) return true;
    const own = owned(bytes, isAlone);
    if (!this.#isWanted) {
      this.#queue.push(own);
      this.#queuedCost += cost;
      return true;
    }
    this.#isWanted = false;
    this.#controller.enqueue(own);
    this.#grant();
    return true;
  }

  /** @returns false where the other side had ended the body before. */
  end(): boolean {
    if (this.#ending !== undefined) return false;
    this.#finish({});
    return true;
  }

  /** The other side cannot send the rest: what has come may still be read. Does nothing once the body has ended. */
  breakOff(error: DawnletError): void {
    if (this.#ending === undefined) this.#finish({ error });
  }

  /** Nobody is to read any more. Does nothing once the body has ended. */
  fail(error: DawnletError): void {
    if (this.#ending !== undefined) return;
    this.#queue = [];
    this.#finish({ error });
  }

  #finish(ending: { readonly error?: DawnletError }): void {
    this.#ending = ending;
    if (this.#queue.length === 0) this.#close(ending.error);
  }

  #pull(): void {
    const next = this.#queue.shift();
    if (next === undefined) {
      this.#isWanted = true;
      return;
    }
    this.#queuedCost -= next.byteLength + chunkOverheadBytes;
    this.#controller.enqueue(next);
    if (this.#ending === undefined) this.#grant();
    else if (this.#queue.length === 0) this.#close(this.#ending.error);
  }

  #cancel(reason: unknown): void {
    this.#isClosed = true;
    this.#queue = [];
    if (this.#ending === undefined) this.#source.cancel(reason);
  }

  #close(error: DawnletError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (error !== undefined) {
      this.#controller.error(error);
      return;
    }
    this.#controller.close();
    // Who waits with a buffer of their own hears of the end only by this.
    this.#controller.byobRequest?.respond(0);
  }

  #grant(): void {
    if (this.#credit > this.#fullCredit / 2) return;
    const bytes = this.#windowBytes - this.#credit - this.#queuedCost;
    if (bytes < this.#windowBytes * leastGrantOfWindow) return;
    this.#credit += bytes;
    this.#fullCredit = this.#credit;
    this.#source.grant(bytes);
  }
}

/**
 * The stream moves the memory of what it is given, so nothing else may lie there. A large attachment that travelled
 * alone has its memory for itself; the header in front of it is small.
 */
function owned(bytes: Uint8Array, isAlone: boolean): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer)) return new Uint8Array(bytes);
  const view = bytes as Uint8Array<ArrayBuffer>;
  if (bytes.byteLength === buffer.byteLength) return view;
  const isMost = bytes.byteLength > sharedBytes && 2 * bytes.byteLength > buffer.byteLength;
  return isAlone && isMost ? view : new Uint8Array(bytes);
}
