/**
 * The client's end of a remote device: gathers commands that want no answer and sends them as one message when
 * somebody waits, or at the end of the turn. Knows ids and promises, and nothing of what is behind them.
 */
import type { Message } from "../../port/port.ts";
import { type AnswersHeader, type CommandsHeader, command, type RemoteError } from "../protocol.ts";
import { WordWriter } from "../words.ts";
import { rejection } from "./errors.ts";

/** How messages leave. What comes back is given to `receive`. */
export type Send = (message: Message) => void;

export interface ConnectionOptions {
  readonly send: Send;
  readonly onUncaptured: (error: RemoteError) => void;
  readonly onLost: (reason: GPUDeviceLostReason, message: string) => void;
  /** False: each command is a message of its own. For measuring what gathering brings. */
  readonly isBatched?: boolean;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: DOMException) => void;
}

/** More than this is not kept back: the owner can begin with it. */
const maxGatheredBytes = 8 * 2 ** 20;
const maxGatheredWords = 2 ** 18;
const maxGatheredDescriptors = 4096;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #words = new WordWriter();
  #descriptors: unknown[] = [];
  #attachments: Uint8Array[] = [];
  #attachedBytes = 0;
  #forgotten: number[] = [];
  #nextId = 1;
  #nextRequest = 1;
  readonly #waiting = new Map<number, Waiting>();
  #isFlushScheduled: "" | "turn" | "soon" = "";
  #isLost = false;
  /** Messages sent so far. */
  messages = 0;
  /** Calls of WebGPU that these and what is kept back hold. */
  calls = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  newId(): number {
    return this.#nextId++;
  }

  /** Begins a command: its code first, then its words. It is to be ended with `end`. */
  begin(code: number): WordWriter {
    this.#words.word(code);
    this.calls++;
    return this.#words;
  }

  /** Puts plain data beside the words. @returns what names it there. */
  describe(descriptor: unknown): number {
    return this.#descriptors.push(descriptor) - 1;
  }

  /** Puts bytes, which nobody may change any more, beside the words. @returns what names them there. */
  attach(bytes: Uint8Array): number {
    this.#attachedBytes += bytes.byteLength;
    return this.#attachments.push(bytes);
  }

  end(): void {
    if (this.#options.isBatched === false) this.flush();
    else if (this.#isFull) this.flush();
    else if (this.#isFlushScheduled === "") {
      this.#isFlushScheduled = "turn";
      setTimeout(() => this.#flushScheduled("turn"));
    }
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get #isFull(): boolean {
    return (
      this.#words.length > maxGatheredWords ||
      this.#attachedBytes > maxGatheredBytes ||
      this.#descriptors.length > maxGatheredDescriptors
    );
  }

  /** Something of what was written is waited for, or is work for the device. */
  flushSoon(): void {
    if (this.#isFlushScheduled === "soon") return;
    this.#isFlushScheduled = "soon";
    queueMicrotask(() => this.#flushScheduled("soon"));
  }

  /**
   * A command with an answer. Rejects with what WebGPU has for it.
   * @param write what follows the request's number; must not throw.
   */
  request<T>(code: number, write: (words: WordWriter) => void): Promise<T> {
    const request = this.#nextRequest++;
    const words = this.begin(code);
    words.word(request);
    write(words);
    return new Promise<T>((resolve, reject) => {
      if (this.#isLost) {
        reject(new DOMException("The device is lost", "AbortError"));
        return;
      }
      this.#waiting.set(request, { resolve: resolve as (value: unknown) => void, reject });
      this.end();
      this.flushSoon();
    });
  }

  /** An object that nobody can name any more. */
  forget(id: number): void {
    this.#forgotten.push(id);
    if (this.#forgotten.length >= 1024) this.end();
  }

  /** A validation error that shows on this side. */
  invalid(message: string): void {
    const index = this.describe(message);
    this.begin(command.invalid).word(index);
    this.end();
  }

  flush(): void {
    if (this.#forgotten.length > 0) {
      const words = this.begin(command.release);
      words.word(this.#forgotten.length);
      for (const id of this.#forgotten.splice(0)) words.word(id);
    }
    if (this.#words.length === 0) return;
    // A copy: what is sent must not change, and the words are written again.
    const words = this.#words.view().slice();
    const header: CommandsHeader = { descriptors: this.#descriptors };
    const attachments = [new Uint8Array(words.buffer), ...this.#attachments];
    this.#words.clear();
    this.#descriptors = [];
    this.#attachments = [];
    this.#attachedBytes = 0;
    this.messages++;
    if (this.#isLost) return;
    try {
      this.#options.send({ header, attachments });
    } catch (error) {
      // Larger than the carrier takes. What the owner has not heard of cannot be made good.
      this.lose("unknown", error instanceof Error ? error.message : String(error));
    }
  }

  receive({ header, attachments }: Message): void {
    const { answers = [], uncaptured = [], lost } = header as AnswersHeader;
    for (const [request, value, failure] of answers) {
      const waiting = this.#waiting.get(request);
      this.#waiting.delete(request);
      if (failure !== undefined) waiting?.reject(rejection(failure));
      else waiting?.resolve(isAttachment(value) ? attachments[value.attachment] : value);
    }
    for (const error of uncaptured) this.#options.onUncaptured(error);
    if (lost !== undefined) this.lose(lost.reason, lost.message);
  }

  /** Nothing is sent or answered any more. */
  lose(reason: GPUDeviceLostReason, message: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    for (const { reject } of this.#waiting.values())
      reject(new DOMException(`The device is lost: ${message}`, "AbortError"));
    this.#waiting.clear();
    this.#options.onLost(reason, message);
  }

  #flushScheduled(when: "turn" | "soon"): void {
    // One that was to come at the end of the turn, and then soon, has gone already.
    if (this.#isFlushScheduled !== when) return;
    this.#isFlushScheduled = "";
    this.flush();
  }
}

function isAttachment(value: unknown): value is { readonly attachment: number } {
  return typeof value === "object" && value !== null && "attachment" in value;
}
