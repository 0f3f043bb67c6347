/**
 * The calling side of one exchange: sends the request, makes the Response of what comes back.
 * Over once the response has come whole, or either side gave up. What is left of the request's body is then cancelled.
 */
import { DawnletError, type ErrorRecord } from "../../../kernels/errors.ts";
import { abortError } from "../abort-error.ts";
import { BodyReceiver } from "./body-receiver.ts";
import { BodySender } from "./body-sender.ts";
import { type Exchange, type ExchangeHost, readerGaveUp } from "./exchange.ts";
import { wholeBodyBytes } from "./fetch-limits.ts";
import { type BodyKind, errorOf, type ResponseEntry, recordOf } from "./fetch-messages.ts";
import { hasNoBody, makeResponse, type RequestHead, requestHead } from "./heads.ts";

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** From now on; told to the other side, not watched here. */
  readonly deadlineMs?: number | undefined;
  readonly requestLimitBytes?: number | undefined;
  readonly responseLimitBytes?: number | undefined;
  /** What the call fails with where a body is larger than its limit. Left out: PAYLOAD_TOO_LARGE. */
  readonly tooLarge?: ((what: "request" | "response", limitBytes: number) => DawnletError) | undefined;
  /** Called once, when the exchange is over: the response has come whole, or either side gave up. */
  readonly onEnd?: (() => void) | undefined;
}

export interface CallHost extends ExchangeHost {
  /** Makes the call known under the id that it gets: ids leave in the order of their numbers. */
  register(call: OutgoingCall): number;
}

export class OutgoingCall implements Exchange {
  /** Settles with the head of the response. */
  readonly response: Promise<Response>;
  /** 0 before the head of the request has been sent. */
  id = 0;
  /** Held until the end: in Node a request's signal follows its source only as long as the request is not collected. */
  readonly request: Request;
  readonly #host: CallHost;
  readonly #head: RequestHead;
  readonly #options: FetchOptions;
  readonly #signals: readonly AbortSignal[];
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: DawnletError) => void;
  #sender: BodySender | undefined;
  #receiver: BodyReceiver | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;
  #isOver = false;

  /** @throws DawnletError where the request cannot be sent at all. */
  constructor(host: CallHost, request: Request, options: FetchOptions) {
    const signals = options.signal === undefined ? [request.signal] : [options.signal, request.signal];
    for (const signal of signals) if (signal.aborted) throw abortError(signal, "the request");
    const body = bodyOf(request);
    if (body !== null && (request.bodyUsed || body.locked))
      throw new DawnletError("INVALID_ARGUMENT", "Cannot send the request as its body has been read");
    this.request = request;
    this.#host = host;
    this.#head = requestHead(request, host.limits);
    this.#options = options;
    this.#signals = signals;
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    for (const signal of signals) signal.addEventListener("abort", this.#onAbort);
    if (body === null) this.#sendHead("none");
    else this.#sender = this.#send(body, isSmall(request));
  }

  /** @returns false where such a response breaks the protocol. */
  respond(entry: ResponseEntry, whole: Uint8Array | undefined): boolean {
    if (this.#receiver !== undefined) return false;
    const kind = entry[5];
    if (kind !== "none" && hasNoBody(this.#head.method, entry[2])) return false;
    if (whole && this.#isOverLimit(whole.byteLength)) return true;
    if (kind === "stream") this.#receiver = this.#receive();
    // The constructor copies a whole body.
    const body = this.#receiver?.stream ?? (whole as Uint8Array<ArrayBuffer> | undefined) ?? null;
    const response = makeResponse(entry, body);
    if (response === undefined) return false;
    this.#resolve(response);
    if (kind !== "stream") this.#over();
    return true;
  }

  data(bytes: Uint8Array, isAlone: boolean): boolean {
    if (this.#receiver === undefined) return false;
    if (this.#isOverLimit(bytes.byteLength)) return true;
    return this.#receiver.take(bytes, isAlone);
  }

  end(): boolean {
    if (this.#receiver?.end() !== true) return false;
    this.#over();
    return true;
  }

  credit(bytes: number): boolean {
    return this.#sender?.grant(bytes) ?? false;
  }

  /** The other side reads no more of the request's body. */
  stopped(record: ErrorRecord): boolean {
    this.#sender?.stop(this.#host.errorOf(record));
    return this.#sender !== undefined;
  }

  aborted(record: ErrorRecord): void {
    const error = this.#host.errorOf(record);
    this.#receiver?.breakOff(error);
    this.#over(error);
  }

  fail(error: DawnletError): void {
    this.#over(error);
  }

  readonly #onAbort = (): void => {
    const signal = this.#signals.find(({ aborted }) => aborted);
    if (signal) this.#giveUp(abortError(signal, "the request"));
  };

  #giveUp(error: DawnletError): void {
    if (this.#isOver) return;
    if (this.id > 0) this.#host.send(["abort", this.id, recordOf(error)]);
    this.#over(error);
  }

  #over(error?: DawnletError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#onAbort);
    this.#sender?.stop(
      error ?? new DawnletError("CANCELLED", "Cannot send the rest of the body: it was answered"),
    );
    if (error !== undefined) {
      this.#receiver?.fail(error);
      this.#reject(error);
    }
    this.#host.ended();
    this.#options.onEnd?.();
  }

  #sendHead(kind: BodyKind, whole?: Uint8Array): void {
    const { method, url, headers } = this.#head;
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.#options;
    this.id = this.#host.register(this);
    // JSON knows no infinity.
    const deadline = deadlineMs < Number.POSITIVE_INFINITY ? Math.max(0, deadlineMs) : null;
    this.#host.send(["request", this.id, method, url, headers, deadline, kind], whole);
  }

  #send(body: ReadableStream<Uint8Array>, holdsToEnd: boolean): BodySender {
    const sink = {
      begin: (whole: Uint8Array | undefined) => {
        if (!this.#sendsTooMuch(whole?.byteLength ?? 0)) this.#sendHead(whole ? "whole" : "stream", whole);
      },
      data: (piece: Uint8Array) => {
        if (!this.#sendsTooMuch(piece.byteLength)) this.#host.send(["data", this.id], piece);
      },
      end: () => this.#host.send(["end", this.id]),
      fail: (error: unknown) => this.#giveUp(errorOf(recordOf(error))),
    };
    return new BodySender(body, sink, this.#host.gate, holdsToEnd);
  }

  #receive(): BodyReceiver {
    return new BodyReceiver(
      {
        grant: (bytes) => this.#host.send(["credit", this.id, bytes]),
        cancel: (reason) => this.#giveUp(readerGaveUp(reason)),
      },
      this.#host.limits.windowBytes,
    );
  }

  /** Counts, and gives up where it is too much. */
  #isOverLimit(sizeBytes: number): boolean {
    const { responseLimitBytes = Number.POSITIVE_INFINITY, tooLarge = bodyTooLarge } = this.#options;
    this.#receivedBytes += sizeBytes;
    if (this.#receivedBytes <= responseLimitBytes) return false;
    this.#giveUp(tooLarge("response", responseLimitBytes));
    return true;
  }

  /** Counts, and gives up where it is too much. */
  #sendsTooMuch(sizeBytes: number): boolean {
    const { requestLimitBytes = Number.POSITIVE_INFINITY, tooLarge = bodyTooLarge } = this.#options;
    this.#sentBytes += sizeBytes;
    if (this.#sentBytes <= requestLimitBytes) return false;
    this.#giveUp(tooLarge("request", requestLimitBytes));
    return true;
  }
}

function bodyTooLarge(what: "request" | "response", limitBytes: number): DawnletError {
  return new DawnletError(
    "PAYLOAD_TOO_LARGE",
    `Cannot ${what === "request" ? "send" : "take"} the ${what} as its body is too large: the limit is ${limitBytes} bytes`,
  );
}

/** Requests of HTTP servers may make their stream only when they are asked for it: that is dear. */
function bodyOf(request: Request): ReadableStream<Uint8Array> | null {
  return request.method === "GET" || request.method === "HEAD" ? null : request.body;
}

/** Whether its body is said to fit a message. Such a one is worth waiting for: no stream is needed on either side. */
function isSmall(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) && Number(length) <= wholeBodyBytes;
}
