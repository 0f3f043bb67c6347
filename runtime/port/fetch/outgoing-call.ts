/**
 * The calling side of one exchange: sends the request, takes the response.
 * Over once the response has come whole, or either side gave up. What is left of the request's body is then cancelled.
 */
import { DawnletError, type ErrorRecord } from "../../../kernels/errors.ts";
import { BodyReceiver } from "./body-receiver.ts";
import { BodySender } from "./body-sender.ts";
import { type Exchange, type ExchangeHost, readerGaveUp } from "./exchange.ts";
import { isSmallLength, wholeBodyBytes } from "./fetch-limits.ts";
import { type BodyKind, errorOf, type HeaderPairs, type ResponseEntry, recordOf } from "./fetch-messages.ts";
import {
  checkRequestHead,
  hasNoBody,
  isResponseHead,
  type PlainRequest,
  type PlainResponse,
  type RequestHead,
} from "./heads.ts";

export interface SendOptions {
  /** From now on; told to the other side, not watched here. */
  readonly deadlineMs?: number | undefined;
  readonly requestLimitBytes?: number | undefined;
  readonly responseLimitBytes?: number | undefined;
  /** What the call fails with where a body is larger than its limit. Left out: PAYLOAD_TOO_LARGE. */
  readonly tooLarge?: ((what: "request" | "response", limitBytes: number) => DawnletError) | undefined;
  /** Called once, when the exchange is over: the response has come whole, or either side gave up. */
  readonly onEnd?: (() => void) | undefined;
}

/** A request under way. */
export interface SentRequest {
  /** Settles with the head of the response. */
  readonly response: Promise<PlainResponse>;
  /** Ends it, also while the response streams. Does nothing once it is over. */
  giveUp(error: DawnletError): void;
}

export interface CallHost extends ExchangeHost {
  /** Makes the call known under the id that it gets: ids leave in the order of their numbers. */
  register(call: OutgoingCall): number;
}

export class OutgoingCall implements Exchange, SentRequest {
  readonly response: Promise<PlainResponse>;
  /** 0 before the head of the request has been sent. */
  id = 0;
  readonly #host: CallHost;
  readonly #head: RequestHead;
  readonly #options: SendOptions;
  readonly #resolve: (response: PlainResponse) => void;
  readonly #reject: (error: DawnletError) => void;
  #sender: BodySender | undefined;
  #receiver: BodyReceiver | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;
  #isOver = false;

  /** @throws DawnletError where the request cannot be sent at all. */
  constructor(host: CallHost, request: PlainRequest, options: SendOptions) {
    const { body } = request;
    checkRequestHead(request, host.limits);
    const { requestLimitBytes = Number.POSITIVE_INFINITY, tooLarge = bodyTooLarge } = options;
    if (body instanceof Uint8Array && body.byteLength > requestLimitBytes)
      throw tooLarge("request", requestLimitBytes);
    this.#host = host;
    this.#head = request;
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<PlainResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    if (body === null) this.#sendHead("none");
    else if (isWhole(body)) this.#sendHead("whole", body);
    else this.#sender = this.#send(streamOf(body), isSmall(request.headers));
  }

  /** @returns false where such a response breaks the protocol. */
  respond(entry: ResponseEntry, whole: Uint8Array | undefined): boolean {
    if (this.#receiver !== undefined) return false;
    const kind = entry[5];
    if (kind !== "none" && hasNoBody(this.#head.method, entry[2])) return false;
    if (whole && this.#isOverLimit(whole.byteLength)) return true;
    if (!isResponseHead(entry)) return false;
    if (kind === "stream") this.#receiver = this.#receive();
    const body = this.#receiver?.stream ?? (whole as Uint8Array<ArrayBuffer> | undefined) ?? null;
    const [, , status, statusText, headers] = entry;
    this.#resolve({ status, statusText, headers, body });
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

  giveUp(error: DawnletError): void {
    if (this.#isOver) return;
    if (this.id > 0) this.#host.send(["abort", this.id, recordOf(error)]);
    this.#over(error);
  }

  #over(error?: DawnletError): void {
    if (this.#isOver) return;
    this.#isOver = true;
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
      fail: (error: unknown) => this.giveUp(errorOf(recordOf(error))),
    };
    return new BodySender(body, sink, this.#host.gate, holdsToEnd);
  }

  #receive(): BodyReceiver {
    return new BodyReceiver(
      {
        grant: (bytes) => this.#host.send(["credit", this.id, bytes]),
        cancel: (reason) => this.giveUp(readerGaveUp(reason)),
      },
      this.#host.limits.windowBytes,
    );
  }

  /** Counts, and gives up where it is too much. */
  #isOverLimit(sizeBytes: number): boolean {
    const { responseLimitBytes = Number.POSITIVE_INFINITY, tooLarge = bodyTooLarge } = this.#options;
    this.#receivedBytes += sizeBytes;
    if (this.#receivedBytes <= responseLimitBytes) return false;
    this.giveUp(tooLarge("response", responseLimitBytes));
    return true;
  }

  /** Counts, and gives up where it is too much. */
  #sendsTooMuch(sizeBytes: number): boolean {
    const { requestLimitBytes = Number.POSITIVE_INFINITY, tooLarge = bodyTooLarge } = this.#options;
    this.#sentBytes += sizeBytes;
    if (this.#sentBytes <= requestLimitBytes) return false;
    this.giveUp(tooLarge("request", requestLimitBytes));
    return true;
  }
}

function bodyTooLarge(what: "request" | "response", limitBytes: number): DawnletError {
  return new DawnletError(
    "PAYLOAD_TOO_LARGE",
    `Cannot ${what === "request" ? "send" : "take"} the ${what} as its body is too large: the limit is ${limitBytes} bytes`,
  );
}

function isWhole(body: Uint8Array | ReadableStream<Uint8Array>): body is Uint8Array {
  return body instanceof Uint8Array && body.byteLength <= wholeBodyBytes;
}

function streamOf(body: Uint8Array | ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  if (!(body instanceof Uint8Array)) return body;
  return new ReadableStream({
    start(controller) {
      controller.enqueue(body);
      controller.close();
    },
  });
}

/** Whether its body is said to fit a message. Such a one is worth waiting for: no stream is needed on either side. */
function isSmall(headers: HeaderPairs): boolean {
  const length = headers.find(([name]) => name === "content-length")?.[1];
  return length !== undefined && isSmallLength(length);
}
