/**
 * The calling side of calls over a Port; rpc-server.ts answers.
 *
 * What is called in one turn of the event loop travels as one message, and so do the replies that are ready
 * together: a device that gets ten runs at once can put them into one submission. Errors keep their codes.
 */
import { DawnletError, type ErrorCode, fromErrorRecord } from "../../kernels/errors.ts";
import { abortError } from "./abort-error.ts";
import { Batch } from "./batch.ts";
import type { Message, Port } from "./port.ts";
import { type CallEntry, type CallsHeader, failed, isErrorRecord, parseReplies } from "./rpc-messages.ts";

export interface CallOptions {
  /** Aborting sends a cancel to the other side and rejects the call at once. */
  readonly signal?: AbortSignal | undefined;
  /** Gets what the handler reports while it works. */
  readonly onProgress?: ((value: unknown) => void) | undefined;
  /** Gives the attachments' memory away (see `Message.given`). */
  readonly give?: boolean;
}

export interface RpcReply {
  readonly result: unknown;
  readonly attachments: readonly Uint8Array[];
}

export interface RpcClientOptions {
  /** Who answers, for messages: "the device process". */
  readonly peer?: string;
  /** What calls fail with once the Port has closed. */
  readonly closedCode?: ErrorCode;
}

interface PendingCall {
  readonly method: string;
  readonly onProgress: ((value: unknown) => void) | undefined;
  settle(outcome: RpcReply | DawnletError): void;
}

export class RpcClient {
  /** Settles when the Port has closed. Never rejects. */
  readonly closed: Promise<void>;
  readonly #port: Port;
  readonly #peer: string;
  readonly #closedCode: ErrorCode;
  readonly #pending = new Map<number, PendingCall>();
  readonly #batch: Batch<CallEntry, number>;
  #nextId = 1;
  #isOpen = true;

  /** Becomes the Port's receiver. */
  constructor(port: Port, options: RpcClientOptions = {}) {
    this.#port = port;
    this.#peer = options.peer ?? "the other process";
    this.#closedCode = options.closedCode ?? "UNAVAILABLE";
    this.#batch = new Batch(
      port,
      {
        header: (calls, cancels): CallsHeader => ({ calls, cancels }),
        failed: ([id], error) => this.#pending.get(id)?.settle(error),
      },
      port.afterTurn,
    );
    this.closed = port.closed.then(() => this.#end());
    port.receive((message) => this.#take(message));
  }

  /**
   * Calls a method of the other side.
   * @throws DawnletError what the handler threw; CANCELLED or DEADLINE_EXCEEDED where the signal aborts (the
   *   reason of the signal where it is a DawnletError); the client's `closedCode` where the Port closes.
   */
  call(
    method: string,
    params: unknown = null,
    attachments: readonly Uint8Array[] = [],
    options: CallOptions = {},
  ): Promise<RpcReply> {
    const { signal, onProgress, give } = options;
    if (!this.#isOpen) return Promise.reject(this.#closedError(method));
    if (signal?.aborted) return Promise.reject(abortError(signal, method));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const entry: CallEntry = [id, method, params, attachments.length];
      const cancel = (): void => {
        if (!this.#batch.remove(entry)) this.#batch.note(id);
        this.#pending.get(id)?.settle(abortError(signal!, method));
      };
      signal?.addEventListener("abort", cancel, { once: true });
      this.#pending.set(id, {
        method,
        onProgress,
        settle: (outcome) => {
          this.#pending.delete(id);
          signal?.removeEventListener("abort", cancel);
          if (outcome instanceof DawnletError) reject(outcome);
          else resolve(outcome);
        },
      });
      this.#batch.add(entry, attachments, give === true);
    });
  }

  close(): void {
    this.#port.close();
    this.#end();
  }

  #take(message: Message): void {
    const header = parseReplies(message.header, message.attachments.length);
    if (!header) {
      this.close();
      return;
    }
    for (const [id, value] of header.progress) this.#pending.get(id)?.onProgress?.(value);
    let at = 0;
    for (const [id, count, outcome] of header.replies) {
      const attachments = count > 0 ? message.attachments.slice(at, at + count) : [];
      at += attachments.length;
      // A call that was cancelled is not pending any more.
      const call = this.#pending.get(id);
      if (count !== failed) call?.settle({ result: outcome, attachments });
      else if (isErrorRecord(outcome)) call?.settle(fromErrorRecord(outcome));
    }
  }

  #end(): void {
    this.#isOpen = false;
    for (const call of [...this.#pending.values()]) call.settle(this.#closedError(call.method));
  }

  #closedError(method: string): DawnletError {
    return new DawnletError(
      this.#closedCode,
      `Cannot finish '${method}' as the connection to ${this.#peer} has closed`,
    );
  }
}
