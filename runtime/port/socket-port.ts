/**
 * Port between processes: frames over a stream of bytes that the platform gives.
 * All messages of one turn of the event loop are handed to the stream together, so that they leave in one
 * system call. A peer that sends anything but frames is cut off.
 */
import { defaultFrameLimits, encodeFrame, type FrameLimits } from "./frame.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { Inbox } from "./inbox.ts";
import type { Message, Port } from "./port.ts";

/** What takes the bytes of a stream: see FrameDecoder for the two ways. */
export interface ByteSink {
  target(): Uint8Array<ArrayBuffer>;
  received(sizeBytes: number): void;
  push(piece: Uint8Array<ArrayBuffer>): void;
  /** The stream has ended for whatever reason; called once. */
  ended(): void;
}

/** A connection as the platform sees it. */
export interface ByteStream {
  /** Begins to deliver. Called once. */
  start(sink: ByteSink): void;
  /** Queues the pieces in order; they leave together. Ignored once the stream has ended. */
  write(pieces: readonly Uint8Array[]): void;
  /** See `Port.afterTurn`. */
  readonly afterTurn?: (callback: () => void) => void;
  /** Bytes that were written and have not left. */
  readonly queuedBytes: number;
  /** Ends the stream once what was written has left, or at the latest after a second. */
  close(): void;
}

export class SocketPort implements Port {
  readonly closed: Promise<void>;
  readonly afterTurn?: NonNullable<Port["afterTurn"]>;
  readonly #stream: ByteStream;
  readonly #limits: FrameLimits;
  readonly #inbox = new Inbox();
  #outbox: Uint8Array[] = [];
  #isOpen = true;

  constructor(stream: ByteStream, limits: FrameLimits = defaultFrameLimits) {
    this.#stream = stream;
    if (stream.afterTurn !== undefined) this.afterTurn = stream.afterTurn;
    this.#limits = limits;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const decoder = new FrameDecoder((message) => {
      if (this.#isOpen) this.#inbox.put(message);
    }, limits);
    stream.start({
      target: () => decoder.target(),
      received: (sizeBytes) => this.#guard(() => decoder.received(sizeBytes)),
      push: (piece) => this.#guard(() => decoder.push(piece)),
      ended: () => {
        this.#isOpen = false;
        resolve();
      },
    });
  }

  get queuedBytes(): number {
    return this.#stream.queuedBytes + this.#outbox.reduce((sum, piece) => sum + piece.byteLength, 0);
  }

  send(message: Message): void {
    if (!this.#isOpen) return;
    const pieces = encodeFrame(message, this.#limits);
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
    this.#outbox.push(...pieces);
  }

  receive(receiver: (message: Message) => void): void {
    this.#inbox.open(receiver);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#flush();
    this.#isOpen = false;
    this.#stream.close();
  }

  #flush(): void {
    if (this.#outbox.length === 0) return;
    const pieces = this.#outbox;
    this.#outbox = [];
    this.#stream.write(pieces);
  }

  /** After bytes that are no frame nothing behind them can be found: the connection ends. */
  #guard(read: () => unknown): void {
    if (!this.#isOpen) return;
    try {
      read();
    } catch {
      this.close();
    }
  }
}
