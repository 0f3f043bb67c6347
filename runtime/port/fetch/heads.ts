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

/**
 * A request as plain data. Making a Request of it takes longer than sending it (27 of 40 µs, 2-core x86-64): who passes
 * requests on needs none.
 */
export interface PlainRequest extends RequestHead {
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
}

/** A response as plain data. Its status, names and values are such as a Response takes. */
export interface PlainResponse extends ResponseHead {
  /** Bytes may share a buffer with others. A stream must be read or cancelled. */
  readonly body: BodyInit;
}

/** The request is read by who reads the result. */
export function plainRequest(request: Request): PlainRequest {
  const { method, url } = request;
  // Requests of HTTP servers may make their stream only when they are asked for it: that is dear.
  const body = method === "GET" || method === "HEAD" ? null : request.body;
  return { method, url, headers: [...request.headers], body };
}

/** @throws DawnletError PAYLOAD_TOO_LARGE beyond the limits. */
export function checkRequestHead({ method, url, headers }: RequestHead, limits: FetchLimits): void {
  if (url.length > limits.urlLength)
    throw new DawnletError(
      "PAYLOAD_TOO_LARGE",
      `Cannot send the request as its URL has ${url.length} characters: the limit is ${limits.urlLength}`,
    );
  if (!fitsLimits(headers, method, limits)) throw headersTooLarge("request", limits);
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

/** Its result's `signal` is the one given, or follows it. May throw what the constructor of Request throws. */
export type MakeRequest = (url: string, init: RequestInit, signal: AbortSignal) => Request;

export const webRequest: MakeRequest = (url, init, signal) => new Request(url, { ...init, signal });

/** @returns undefined where there can be no such request. */
export function makeRequest(
  [, , method, url, headers]: RequestEntry,
  body: BodyInit,
  signal: AbortSignal,
  make: MakeRequest,
): Request | undefined {
  // A relative URL would mean one of this process's own, in a browser.
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) return undefined;
  const init: RequestInit & { duplex?: "half" } = {
    method,
    headers: headers as [string, string][],
    redirect: "manual",
  };
  if (body !== null) {
    init.body = body;
    init.duplex = "half";
  }
  try {
    return make(url, init, signal);
  } catch {
    return undefined;
  }
}

/** Whether a Response can be made of it. */
export function isResponseHead([, , status, statusText, headers]: ResponseEntry): boolean {
  return isFinalStatus(status) && reasonPhrase.test(statusText) && headers.every(isHeader);
}

/** The constructor copies a whole body. */
export function makeResponse({ status, statusText, headers, body }: PlainResponse): Response {
  return new Response(body, { status, statusText, headers: headers as [string, string][] });
}

/** Whether the response to such a request never has a body. */
export function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 205 || status === 304;
}

/** As Fetch has them: a token, and bytes without those that end a line. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const noHeaderValue = /[\0\r\n\u0100-\uffff]/;
const reasonPhrase = /^[\t\x20-\x7e\x80-\xff]*$/;

function isHeader([name, value]: HeaderPairs[number]): boolean {
  return headerName.test(name) && !noHeaderValue.test(value);
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
