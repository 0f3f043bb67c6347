/**
 * The answering side of calls over a Port.
 *
 * Handlers of the calls that came in one message are invoked one after the other before any of them goes on,
 * so that a handler can gather what arrived together (in a microtask of its own) and do it at once.
 */
import { DawnletError, type ErrorRecord, toErrorRecord } from "../../kernels/errors.ts";
import { Batch } from "./batch.ts";
import type { Message, Port } from "./port.ts";
import {
  failed,
  type ProgressEntry,
  parseCalls,
  type RepliesHeader,
  type ReplyEntry,
} from "./rpc-messages.ts";

export interface CallContext {
  /** Aborted when the caller gives up and when the Port closes. */
  readonly signal: AbortSignal;
  /** Reports to the caller while the call runs; ignored once it has ended. */
  progress(value: unknown): void;
}

export interface HandlerResult {
  /** JSON; left out: the caller gets undefined or null. */
  readonly result?: unknown;
  readonly attachments?: readonly Uint8Array[];
  /** Gives the attachments' memory away (see `Message.given`). */
  readonly give?: boolean;
}

/** `params` comes from another process: the handler checks it. */
export type RpcHandler = (
  params: unknown,
  attachments: readonly Uint8Array[],
  context: CallContext,
) => HandlerResult | Promise<HandlerResult>;

export type RpcHandlers = Readonly<Record<string, RpcHandler>>;

export interface RpcServerOptions {
  /** Calls of one message and those that run, together. A peer that asks for more is cut off. Left out: any. */
  readonly maxCalls?: number;
}

/**
 * Answers the calls that come over a Port with the handlers of their names (own properties only) until it
 * closes. Becomes the Port's receiver. A peer that sends anything but calls is cut off.
 */
export function serveRpc(port: Port, handlers: RpcHandlers, options: RpcServerOptions = {}): void {
  new RpcServer(port, handlers, options);
}

/** Of a method that there is not, in the answer. */
const shownNameLength = 100;

class RpcServer {
  readonly #port: Port;
  readonly #handlers: RpcHandlers;
  readonly #running = new Map<number, RunningCall>();
  readonly #batch: Batch<ReplyEntry, ProgressEntry>;
  readonly #maxCalls: number;

  constructor(port: Port, handlers: RpcHandlers, { maxCalls = Number.POSITIVE_INFINITY }: RpcServerOptions) {
    this.#port = port;
    this.#maxCalls = maxCalls;
    this.#handlers = handlers;
    this.#batch = new Batch(port, {
      header: (replies, progress): RepliesHeader => ({ progress, replies }),
      failed: ([id, count], error) => {
        if (count !== failed) this.#fail(id, toErrorRecord(error));
      },
    });
    port.closed.then(() => {
      for (const call of this.#running.values()) call.abort();
    });
    port.receive((message) => this.#take(message));
  }

  #take(message: Message): void {
    const header = parseCalls(message.header, message.attachments.length);
    if (!header || this.#running.size + header.calls.length > this.#maxCalls) {
      this.#port.close();
      return;
    }
    let at = 0;
    for (const [id, method, params, count] of header.calls) {
      this.#start(id, method, params, message.attachments.slice(at, at + count));
      at += count;
    }
    for (const id of header.cancels) this.#running.get(id)?.abort();
  }

  #start(id: number, method: string, params: unknown, attachments: readonly Uint8Array[]): void {
    if (this.#running.has(id)) {
      this.#port.close();
      return;
    }
    const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined;
    if (!handler) {
      const error = new DawnletError(
        "NOT_FOUND",
        `Cannot call '${method.slice(0, shownNameLength)}' as there is no such method here`,
      );
      this.#fail(id, toErrorRecord(error));
      return;
    }
    const call = new RunningCall((value) => {
      if (this.#running.get(id) !== call) return;
      // Taken apart now: what is no JSON is the handler's mistake, and what changes later is another report.
      this.#batch.note([id, JSON.parse(JSON.stringify(value ?? null))]);
    });
    this.#running.set(id, call);
    const finish = (outcome: HandlerResult): void => {
      this.#running.delete(id);
      const { result, attachments = [], give = false } = outcome;
      this.#batch.add([id, attachments.length, result], attachments, give);
    };
    const fail = (error: unknown): void => {
      this.#running.delete(id);
      this.#fail(id, toErrorRecord(error));
    };
    try {
      const outcome = handler(params, attachments, call);
      if (outcome instanceof Promise) outcome.then(finish).catch(fail);
      else finish(outcome);
    } catch (error) {
      fail(error);
    }
  }

  #fail(id: number, error: ErrorRecord): void {
    this.#batch.add([id, failed, error], [], false);
  }
}

/** The context of a call. Most calls never look at the signal: it is made when asked for. */
class RunningCall implements CallContext {
  readonly progress: (value: unknown) => void;
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor(progress: (value: unknown) => void) {
    this.progress = progress;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort(cancelled());
    return this.#controller.signal;
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort(cancelled());
  }
}

function cancelled(): DawnletError {
  return new DawnletError("CANCELLED", "Cannot finish the call as the caller gave up");
}
