/**
 * `Request` of a handler's scope. That of Node and Deno follows the signal that it is given by another of its own, which
 * takes as long as all else about it, and most of the garbage: a request that came has the signal of its call itself, and
 * shares it with its copies.
 */
const Native = globalThis.Request;

export class HandlerRequest extends Native {
  #signal: AbortSignal | undefined;

  /** @param signal aborted when the caller gives up. */
  static received(url: string, init: RequestInit, signal: AbortSignal): HandlerRequest {
    const request = new HandlerRequest(url, init);
    request.#signal = signal;
    return request;
  }

  constructor(input: RequestInfo | URL, init?: RequestInit) {
    super(input, init);
    const isCopy = input instanceof HandlerRequest && init?.signal === undefined;
    if (isCopy) this.#signal = input.#signal;
  }

  override get signal(): AbortSignal {
    return this.#signal ?? super.signal;
  }

  override clone(): HandlerRequest {
    const copy = new HandlerRequest(super.clone());
    copy.#signal = this.#signal;
    return copy;
  }
}

Object.defineProperty(HandlerRequest, "name", { value: "Request" });
