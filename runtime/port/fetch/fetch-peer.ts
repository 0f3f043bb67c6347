/**
 * HTTP over a Port, both ways: each side sends web-standard Requests and answers those of the other. Bodies stream, with
 * credit for each (body-receiver.ts); a small one travels with its head. Redirects are not followed here.
 *
 * Nothing that the other side sends makes this one throw: whoever breaks the protocol or a limit is cut off.
 */
import { DawnletError, type ErrorRecord } from "../../../kernels/errors.ts";
import { abortError } from "../abort-error.ts";
import { Batch } from "../batch.ts";
import type { Message, Port } from "../port.ts";
import type { Exchange } from "./exchange.ts";
import { completeLimits, type FetchLimits } from "./fetch-limits.ts";
import {
  type Entry,
  errorOf,
  parseEntries,
  type RequestEntry,
  recordOf,
  type SendEntry,
} from "./fetch-messages.ts";
import { type MakeRequest, makeResponse, type PlainRequest, plainRequest, webRequest } from "./heads.ts";
import { OutflowGate } from "./outflow-gate.ts";
import { OutgoingCall, type SendOptions, type SentRequest } from "./outgoing-call.ts";
import { type Serve, ServedRequest } from "./served-request.ts";

export interface FetchPeerOptions {
  /** Its own: the peer becomes its receiver, and closes it. */
  readonly port: Port;
  /**
   * Answers the other side's requests; left out, they are refused. What it throws reaches the caller: DawnletErrors as
   * they are, all else as INTERNAL with its message.
   */
  readonly serve?: Serve | undefined;
  /** Makes the requests that `serve` gets. */
  readonly makeRequest?: MakeRequest | undefined;
  /** What is made of an error that the other side sent. Left out: it is passed on as it is. */
  readonly readError?: ((error: DawnletError) => DawnletError) | undefined;
  /** The same for both sides. */
  readonly limits?: Partial<FetchLimits> | undefined;
}

export interface FetchOptions extends SendOptions {
  readonly signal?: AbortSignal | undefined;
}

/** So many windows may wait in the Port before bodies and new answers are held back. */
const queuedWindows = 4;

export class FetchPeer {
  readonly #port: Port;
  readonly #serve: Serve;
  readonly #makeRequest: MakeRequest;
  readonly #errorOf: (record: ErrorRecord) => DawnletError;
  readonly #limits: FetchLimits;
  readonly #gate: OutflowGate;
  readonly #requests: Batch<Entry, never>;
  readonly #answers: Batch<Entry, never>;
  /** All of this side's requests; those whose head has left are in `#sent` too. */
  readonly #calls = new Set<OutgoingCall>();
  readonly #sent = new Map<number, OutgoingCall>();
  readonly #served = new Map<number, ServedRequest>();
  #lastSentId = 0;
  #lastServedId = 0;
  #isOpen = true;

  /** @throws RangeError where the window is too small (see FetchLimits). */
  constructor({
    port,
    serve = refuse,
    makeRequest = webRequest,
    readError = (error) => error,
    limits,
  }: FetchPeerOptions) {
    this.#port = port;
    this.#serve = serve;
    this.#makeRequest = makeRequest;
    this.#errorOf = (record) => readError(errorOf(record));
    this.#limits = completeLimits(limits);
    this.#gate = new OutflowGate(port, queuedWindows * this.#limits.windowBytes);
    const owner = {
      header: (entries: readonly Entry[]) => entries,
      failed: (entry: Entry, error: DawnletError) => this.#unsendable(entry, error),
    };
    this.#requests = new Batch(port, owner, port.afterTurn);
    // Answers do not wait for what else this turn brings.
    this.#answers = new Batch(port, owner);
    port.closed.then(() => this.close());
    port.receive((message) => this.#take(message));
  }

  /** Requests under way, in both directions. */
  get active(): number {
    return this.#calls.size + this.#served.size;
  }

  /**
   * Sends a request with its body, and settles with the head of the response. The response's body streams and must be
   * read or cancelled. Aborting `options.signal` or `request.signal` aborts `request.signal` of the other side and
   * cancels both bodies, also while the response streams.
   * @throws DawnletError what the other side answers with instead of a response; CANCELLED or DEADLINE_EXCEEDED where
   *   a signal aborts (its reason where that is a DawnletError); PAYLOAD_TOO_LARGE where the head is too large, or
   *   a small response is over `responseLimitBytes` (a streamed body errors with it); QUEUE_FULL where too many
   *   requests are under way; INVALID_ARGUMENT where the body has been read; INTERNAL where it cannot be;
   *   UNAVAILABLE where the Port closes.
   */
  async fetch(request: Request, options: FetchOptions = {}): Promise<Response> {
    if (!this.#isOpen) throw closedError();
    const signals = options.signal === undefined ? [request.signal] : [options.signal, request.signal];
    for (const signal of signals) if (signal.aborted) throw abortError(signal, "the request");
    const plain = plainRequest(request);
    const isRead = plain.body !== null && (request.bodyUsed || request.body?.locked);
    if (isRead)
      throw new DawnletError("INVALID_ARGUMENT", "Cannot send the request as its body has been read");
    const abort = (): void => {
      const signal = signals.find(({ aborted }) => aborted);
      if (signal) sent.giveUp(abortError(signal, "the request"));
    };
    const onEnd = (): void => {
      // Held until now: in Node a request's signal follows its source only as long as the request is not collected.
      request.signal.removeEventListener("abort", abort);
      options.signal?.removeEventListener("abort", abort);
      options.onEnd?.();
    };
    const sent = this.send(plain, { ...options, onEnd });
    for (const signal of signals) signal.addEventListener("abort", abort);
    return makeResponse(await sent.response);
  }

  /**
   * Sends a request, as `fetch` does, without the objects of the web.
   * @throws DawnletError at once where `fetch` would reject without sending anything; `onEnd` is not called then.
   */
  send(request: PlainRequest, options: SendOptions = {}): SentRequest {
    if (!this.#isOpen) throw closedError();
    const { requests } = this.#limits;
    if (this.#calls.size >= requests)
      throw new DawnletError(
        "QUEUE_FULL",
        `Cannot send the request as ${requests} are under way: that is the limit`,
      );
    const host = {
      limits: this.#limits,
      gate: this.#gate,
      send: this.#sendRequest,
      errorOf: this.#errorOf,
      register: (call: OutgoingCall): number => {
        this.#sent.set(++this.#lastSentId, call);
        return this.#lastSentId;
      },
      ended: () => {
        this.#calls.delete(call);
        this.#sent.delete(call.id);
      },
    };
    const call = new OutgoingCall(host, request, options);
    this.#calls.add(call);
    return call;
  }

  /** Closes the Port. All that is under way fails with `reason`, UNAVAILABLE where none is given. */
  close(reason: DawnletError = closedError()): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#port.close();
    this.#gate.release();
    for (const exchange of [...this.#calls, ...this.#served.values()]) exchange.fail(reason);
  }

  readonly #sendRequest: SendEntry = (entry, attachment) => {
    this.#requests.add(entry, attachment ? [attachment] : [], false);
  };

  readonly #sendAnswer: SendEntry = (entry, attachment) => {
    this.#answers.add(entry, attachment ? [attachment] : [], false);
  };

  #take({ header, attachments }: Message): void {
    if (!this.#isOpen) return;
    const entries = parseEntries(header, attachments, this.#limits);
    if (entries === undefined) {
      this.close();
      return;
    }
    const isAlone = attachments.length === 1;
    let at = 0;
    for (const entry of entries) {
      const hasBytes = entry[0] === "data" || entry.at(-1) === "whole";
      const bytes = hasBytes ? attachments[at++] : undefined;
      const isFine = entry[0] === "request" ? this.#begin(entry, bytes) : this.#goOn(entry, bytes, isAlone);
      if (!isFine) this.close();
      // A handler may have closed it too.
      if (!this.#isOpen) return;
    }
  }

  /** @returns false where the request breaks the protocol. */
  #begin(entry: RequestEntry, whole: Uint8Array | undefined): boolean {
    const id = entry[1];
    if (id <= this.#lastServedId || this.#served.size >= this.#limits.requests) return false;
    const host = {
      limits: this.#limits,
      gate: this.#gate,
      send: this.#sendAnswer,
      errorOf: this.#errorOf,
      ended: () => this.#served.delete(id),
    };
    const served = new ServedRequest(host, entry, whole, this.#makeRequest);
    if (!served.isValid) return false;
    this.#lastServedId = id;
    this.#served.set(id, served);
    served.start(this.#serve);
    return true;
  }

  /** @returns false where the entry breaks the protocol. */
  #goOn(entry: Exclude<Entry, RequestEntry>, bytes: Uint8Array | undefined, isAlone: boolean): boolean {
    const id = entry[1];
    const call = id < 0 ? this.#sent.get(-id) : undefined;
    const exchange: Exchange | undefined = call ?? this.#served.get(id);
    // What may have been under way to an exchange that is over is no mistake.
    if (exchange === undefined) return id < 0 ? -id <= this.#lastSentId : id <= this.#lastServedId;
    switch (entry[0]) {
      case "response":
        return call?.respond(entry, bytes) ?? false;
      case "stop":
        return call?.stopped(entry[2]) ?? false;
      case "data":
        return bytes !== undefined && exchange.data(bytes, isAlone);
      case "end":
        return exchange.end();
      case "credit":
        return exchange.credit(entry[2]);
      case "abort":
        exchange.aborted(entry[2]);
        return true;
      default:
        return entry satisfies never;
    }
  }

  /** What else its exchange has sent in the same turn leaves all the same: behind a gap that nobody would notice. */
  #unsendable(entry: Entry, error: DawnletError): void {
    const [type, id] = entry;
    const isComplete = entry.at(-1) !== "stream";
    if (type === "request" && isComplete) this.#sent.get(id)?.fail(error);
    else if (type === "response" && isComplete) this.#sendAnswer(["abort", id, recordOf(error)]);
    else this.close(error);
  }
}

function refuse(): never {
  throw new DawnletError("UNSUPPORTED", "Cannot send the request as nothing answers requests here");
}

function closedError(): DawnletError {
  return new DawnletError("UNAVAILABLE", "Cannot finish the request as the connection has closed");
}
