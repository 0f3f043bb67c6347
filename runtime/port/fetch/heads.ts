/**
 * Heads of requests and responses as plain data, and back. What comes back from data was sent by somebody else:
 * whatever the constructors of Request and Response refuse is no head.
 */
import { DawnletError } from "../../../kernels/errors.ts";
import type { FetchLimits } from "./fetch-limits.ts";
import { fitsLimits, type HeaderPairs, type RequestEntry, type ResponseEntry } from "./fetch-messages.ts";

export type BodyInit = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;

export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderPairs;
}

export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderPairs;
}

/** @throws DawnletError PAYLOAD_TOO_LARGE beyond the limits. */
export function requestHead(request: Request, limits: FetchLimits): RequestHead {
  const { method, url } = request;
  const headers = [...request.headers];
  if (url.length > limits.urlLength)
    throw new DawnletError(
      "PAYLOAD_TOO_LARGE",
      `Cannot send the request as its URL has ${url.length} characters: the limit is ${limits.urlLength}`,
    );
  if (!fitsLimits(headers, method, limits)) throw headersTooLarge("request", limits);
  return { method, url, headers };
}

/** @throws DawnletError INTERNAL where it is no Response that can be sent. */
export function responseHead(response: unknown, limits: FetchLimits): ResponseHead {
  if (!isResponse(response))
    throw new DawnletError("INTERNAL", "Cannot answer the request as what was returned is no Response");
  const { status, statusText, type } = response;
  if (type === "error" || !isFinalStatus(status))
    throw new DawnletError(
      "INTERNAL",
      `Cannot answer the request with a response of type '${type}' and status ${status}`,
    );
  if (response.bodyUsed)
    throw new DawnletError("INTERNAL", "Cannot answer the request with a response whose body has been read");
  const headers = [...response.headers];
  if (!fitsLimits(headers, statusText, limits)) throw headersTooLarge("response", limits);
  return { status, statusText, headers };
}

/** @returns undefined where there can be no such request. */
export function makeRequest(
  [, , method, url, headers]: RequestEntry,
  body: BodyInit,
  signal: AbortSignal,
): Request | undefined {
  // A relative URL would mean one of this process's own, in a browser.
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) return undefined;
  const init: RequestInit & { duplex?: "half" } = {
    method,
    headers: headers as [string, string][],
    redirect: "manual",
    signal,
  };
  if (body !== null) {
    init.body = body;
    init.duplex = "half";
  }
  try {
    return new Request(url, init);
  } catch {
    return undefined;
  }
}

/** https://www.rfc-editor.org/rfc/rfc9112#name-status-line */
const reasonPhrase = /^[\t\x20-\x7e\x80-\xff]*$/;

/** @returns undefined where there can be no such response. */
export function makeResponse(
  [, , status, statusText, headers]: ResponseEntry,
  body: BodyInit,
): Response | undefined {
  if (!isFinalStatus(status) || !reasonPhrase.test(statusText)) return undefined;
  try {
    // Servers put classes of their own in place of Response, some of which look at headers later or never.
    const checked = new Headers(headers as [string, string][]);
    return new Response(body, { status, statusText, headers: checked });
  } catch {
    return undefined;
  }
}

/** Whether the response to such a request never has a body. */
export function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 205 || status === 304;
}

/** Neither 1xx nor what is none: those cannot be the answer. */
function isFinalStatus(status: number): boolean {
  return status >= 200 && status <= 599;
}

/** By its looks: a process may have several classes of that name. */
function isResponse(value: unknown): value is Response {
  return (
    typeof value === "object" &&
    value !== null &&
    "status" in value &&
    typeof value.status === "number" &&
    "statusText" in value &&
    typeof value.statusText === "string" &&
    "headers" in value &&
    "body" in value
  );
}

function headersTooLarge(what: "request" | "response", limits: FetchLimits): DawnletError {
  return new DawnletError(
    what === "request" ? "PAYLOAD_TOO_LARGE" : "INTERNAL",
    `Cannot send the ${what} as its headers are too large: the limit is ${limits.headers} headers of ` +
      `${limits.headerBytes} characters together`,
  );
}
