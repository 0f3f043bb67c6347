/**
 * The answering side of one exchange: makes the Request of what came, and sends what it is answered with.
 * Over once the response has been sent whole, or either side gave up. What has not come of the request's body by then
 * never will.
 */
import { DawnletError, type ErrorRecord } from "../../../kernels/errors.ts";
import { BodyReceiver } from "./body-receiver.ts";
import { BodySender } from "./body-sender.ts";
import { type Exchange, type ExchangeHost, readerGaveUp } from "./exchange.ts";
import { errorOf, type RequestEntry, recordOf } from "./fetch-messages.ts";
import { hasNoBody, type MakeRequest, makeRequest, responseHead } from "./heads.ts";

export interface ServeContext {
  /** Settles when the response has been sent with all of its body, or the request has ended otherwise. Never rejects. */
  readonly done: Promise<void>;
  /** What the caller allows, from the request's arrival on. */
  readonly deadlineMs?: number;
}

/** Answers a request. `request.signal` is aborted when the caller gives up, also while the response is sent. */
export type Serve = (request: Request, context: ServeContext) => Response | Promise<Response>;

export class ServedRequest implements Exchange, ServeContext {
  readonly done: Promise<void>;
  readonly deadlineMs?: number;
  readonly #id: number;
  readonly #host: ExchangeHost;
  readonly #method: string;
  readonly #settle: () => void;
  readonly #controller = new AbortController();
  readonly #receiver: BodyReceiver | undefined;
  /**
   * Held while the response is sent: in Node a signal that somebody listens to is collected with its request, and never
   * fires.
   */
  readonly #request: Request | undefined;
  #sender: BodySender | undefined;
  #isOver = false;

  constructor(host: ExchangeHost, entry: RequestEntry, whole: Uint8Array | undefined, make: MakeRequest) {
    const [, id, method, , , deadlineMs, kind] = entry;
    this.#host = host;
    this.#id = -id;
    this.#method = method;
    if (deadlineMs !== null) this.deadlineMs = deadlineMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = resolve;
    if (kind === "stream") this.#receiver = this.#receive();
    // The constructor copies a whole body.
    const body = this.#receiver?.stream ?? (whole as Uint8Array<ArrayBuffer> | undefined) ?? null;
    this.#request = makeRequest(entry, body, this.#controller.signal, make);
  }

  /** False where there can be no such request. */
  get isValid(): boolean {
    return this.#request !== undefined;
  }

  /** Has the request answered. Never rejects. */
  async start(serve: Serve): Promise<void> {
    try {
      // The other side takes no answers: what it asks for meanwhile waits, and counts as under way.
      if (!this.#host.gate.isOpen) await this.#host.gate.opened();
      if (this.#isOver || this.#request === undefined) return;
      const response = await serve(this.#request, this);
      this.#answer(response);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  data(bytes: Uint8Array, isAlone: boolean): boolean {
    return this.#receiver?.take(bytes, isAlone) ?? false;
  }

  end(): boolean {
    return this.#receiver?.end() ?? false;
  }

  credit(bytes: number): boolean {
    return this.#sender?.grant(bytes) ?? false;
  }

  aborted(record: ErrorRecord): void {
    const error = this.#host.errorOf(record);
    this.#receiver?.breakOff(error);
    this.fail(error);
  }

  fail(error: DawnletError): void {
    if (this.#isOver) return;
    this.#over(error);
    this.#controller.abort(error);
  }

  /** @throws DawnletError, TypeError where it cannot be sent. */
  #answer(response: Response): void {
    if (this.#isOver) {
      response?.body?.cancel(this.#controller.signal.reason).catch(() => {});
      return;
    }
    const { status, statusText, headers } = responseHead(response, this.#host.limits);
    const { body } = response;
    if (body !== null && !hasNoBody(this.#method, status)) {
      const send = this.#host.send;
      const sink = {
        begin: (whole: Uint8Array | undefined) => {
          send(["response", this.#id, status, statusText, headers, whole ? "whole" : "stream"], whole);
          if (whole) this.#over();
        },
        data: (piece: Uint8Array) => send(["data", this.#id], piece),
        end: () => {
          send(["end", this.#id]);
          this.#over();
        },
        fail: (error: unknown) => this.#giveUp(error),
      };
      this.#sender = new BodySender(body, sink, this.#host.gate);
      return;
    }
    body?.cancel().catch(() => {});
    this.#host.send(["response", this.#id, status, statusText, headers, "none"]);
    this.#over();
  }

  /** Tells the caller that there will be no answer, or no more of it. */
  #giveUp(error: unknown): void {
    if (this.#isOver) return;
    const record = recordOf(error);
    this.#host.send(["abort", this.#id, record]);
    this.#over(errorOf(record));
  }

  #over(error?: DawnletError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sender?.stop(error);
    this.#receiver?.fail(
      error ??
        new DawnletError("CANCELLED", "Cannot read the rest of the body as the request has been answered"),
    );
    this.#settle();
    this.#host.ended();
  }

  #receive(): BodyReceiver {
    return new BodyReceiver(
      {
        grant: (bytes) => {
          if (!this.#isOver) this.#host.send(["credit", this.#id, bytes]);
        },
        cancel: (reason) => {
          if (!this.#isOver) this.#host.send(["stop", this.#id, recordOf(readerGaveUp(reason))]);
        },
      },
      this.#host.limits.windowBytes,
    );
  }
}
