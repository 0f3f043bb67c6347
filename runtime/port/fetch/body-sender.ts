/**
 * The sending half of a body: reads a stream and sends what the other side has credit for.
 *
 * The head is held back for a moment: a small body that ends meanwhile travels with it, as one message. Nothing is read
 * from the source while there is no credit, so that the source feels how fast its reader is.
 */
import { chunkOverheadBytes, firstCreditBytes, wholeBodyBytes } from "./fetch-limits.ts";
import { maxCreditBytes } from "./fetch-messages.ts";
import type { OutflowGate } from "./outflow-gate.ts";

/** What a body that is there already needs to come out of its stream: up to 9 in Node and Deno, measured. */
const holdMicrotasks = 16;

export interface BodySink {
  /** Called once, before all others: with the whole body, or with undefined where it follows. */
  begin(whole: Uint8Array | undefined): void;
  data(piece: Uint8Array): void;
  end(): void;
  /** The source has failed. Nothing follows. */
  fail(error: unknown): void;
}

export class BodySender {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #sink: BodySink;
  readonly #gate: OutflowGate;
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;
  #credit = firstCreditBytes;
  #isOver = false;
  #wake: (() => void) | undefined;

  /**
   * Begins at once.
   * @param holdsToEnd holds the head back until the body has ended or is no small one, however long it takes.
   * @throws TypeError where somebody else reads the stream.
   */
  constructor(body: ReadableStream<Uint8Array>, sink: BodySink, gate: OutflowGate, holdsToEnd = false) {
    this.#reader = body.getReader();
    this.#sink = sink;
    this.#gate = gate;
    this.#pump();
    if (!holdsToEnd) this.#holdFor(holdMicrotasks);
  }

  /** @returns false where nobody can have so much credit. */
  grant(bytes: number): boolean {
    this.#credit += bytes;
    this.#wake?.();
    return this.#credit <= maxCreditBytes;
  }

  /** Sends no more and cancels the source. Does nothing once the body has ended. */
  stop(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wake?.();
    this.#reader.cancel(reason).catch(() => {});
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        if (this.#held === undefined && !this.#hasRoom) await this.#room();
        if (this.#isOver) return;
        const { done, value } = await this.#reader.read();
        if (this.#isOver) return;
        if (done) break;
        if (!(value instanceof Uint8Array))
          throw new TypeError("Cannot send a body whose chunks are not Uint8Arrays");
        if (this.#held !== undefined && this.#heldBytes + value.byteLength <= wholeBodyBytes) {
          this.#held.push(value);
          this.#heldBytes += value.byteLength;
          continue;
        }
        this.#letGo();
        await this.#send(value);
      }
      this.#isOver = true;
      if (this.#held === undefined) this.#sink.end();
      else this.#sink.begin(joined(this.#held, this.#heldBytes));
    } catch (error) {
      if (this.#isOver) return;
      this.stop(error);
      this.#sink.fail(error);
    }
  }

  async #send(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.byteLength > 0) {
      if (!this.#hasRoom) await this.#room();
      if (this.#isOver) return;
      rest = rest.subarray(this.#sendPart(rest));
    }
  }

  /** @returns how many bytes have been sent: what there is credit for. */
  #sendPart(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, this.#credit - chunkOverheadBytes);
    this.#credit -= piece.byteLength + chunkOverheadBytes;
    this.#sink.data(piece);
    return piece.byteLength;
  }

  get #hasRoom(): boolean {
    return this.#credit > chunkOverheadBytes && this.#gate.isOpen;
  }

  /** Settles once there is credit, and once what was sent before has left. */
  async #room(): Promise<void> {
    while (!this.#isOver && !this.#hasRoom) {
      if (!this.#gate.isOpen) await this.#gate.opened();
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  #holdFor(microtasks: number): void {
    queueMicrotask(() => {
      if (this.#isOver || this.#held === undefined) return;
      if (microtasks > 0) this.#holdFor(microtasks - 1);
      else this.#letGo();
    });
  }

  /** Sends the head, and what was held back: that fits the first credit. */
  #letGo(): void {
    if (this.#held === undefined) return;
    const bytes = joined(this.#held, this.#heldBytes);
    this.#held = undefined;
    this.#sink.begin(undefined);
    if (bytes.byteLength > 0) this.#sendPart(bytes);
  }
}

function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}
