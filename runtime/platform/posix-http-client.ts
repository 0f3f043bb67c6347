/**
 * Requests to other servers by node:http and node:https, whose `lookup` lets addresses be checked before anything
 * connects to them. (`fetch` looks names up again after any check.) Used by Node and Deno.
 */
import { type LookupAddress, lookup as systemLookup } from "node:dns";
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP, type LookupFunction, type Socket } from "node:net";
import { getCACertificates } from "node:tls";
import { promisify } from "node:util";
import { DawnletError } from "../../kernels/errors.ts";
import { abortError } from "../port/abort-error.ts";
import type { HttpClient, HttpClientOptions, HttpClientRequest } from "./platform.ts";
import { receivedBody, sendBody } from "./posix-http-body.ts";
import { requestHeaders, responseHeaders } from "./posix-http-headers.ts";
import { shownUrl } from "./shown-url.ts";

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Connections that wait for a next request: to one server, and for how long. */
const maxKept = 4;
const keptMs = 10_000;
/** Answers to these have no body, whatever their headers say. */
const emptyStatuses = new Set([204, 205, 304]);
/** May be sent again on another connection where a kept one turned out to be closed. */
const repeatable = new Set(["GET", "HEAD"]);

const systemResolve: Resolve = (hostname) => promisify(systemLookup)(hostname, { all: true });

/** See `Platform.openHttpClient`. */
export function openHttpClient(options: HttpClientOptions, resolve: Resolve = systemResolve): HttpClient {
  return new PosixHttpClient(options, resolve);
}

class PosixHttpClient implements HttpClient {
  readonly #options: HttpClientOptions;
  readonly #resolve: Resolve;
  readonly #agent: http.Agent;
  readonly #secureAgent: https.Agent;
  /** What ends each request that runs. */
  readonly #running = new Set<(error: DawnletError) => void>();
  #isClosed = false;

  constructor(options: HttpClientOptions, resolve: Resolve) {
    this.#options = options;
    this.#resolve = resolve;
    const kept = { keepAlive: true, maxFreeSockets: maxKept, timeout: keptMs };
    const { certificates = [] } = options;
    const trusted = certificates.length > 0 && { ca: [...getCACertificates("default"), ...certificates] };
    this.#agent = new http.Agent(kept);
    this.#secureAgent = new https.Agent({ ...kept, ...trusted });
  }

  async fetch(request: HttpClientRequest): Promise<Response> {
    const url = new URL(request.url);
    for (;;) {
      const exchange = this.#start(request, url);
      try {
        return await exchange.answer;
      } catch (error) {
        if (!exchange.wasStale()) throw error;
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const fail of this.#running) fail(closedError());
    this.#agent.destroy();
    this.#secureAgent.destroy();
  }

  #start(request: HttpClientRequest, url: URL): Exchange {
    const { signal } = request;
    if (this.#isClosed) throw closedError();
    if (signal.aborted) throw abortError(signal, shownUrl(url));
    const outgoing = this.#open(request, url);
    const answer = Promise.withResolvers<Response>();
    let ended: DawnletError | undefined;
    let head: IncomingMessage | undefined;
    let isReset = false;
    let isReused = false;

    // Deno sends requests on kept connections again by itself, POST and aborted ones too, unless it takes the connection
    // for a new one. Goes with https://github.com/denoland/deno/issues/36786.
    const noteReuse = (): void => {
      isReused ||= outgoing.reusedSocket;
      outgoing.reusedSocket = false;
    };
    noteReuse();

    /** Before the head the answer fails, after it its body does: `receivedBody` asks for `ended`. */
    const fail = (error: DawnletError): void => {
      ended ??= error;
      answer.reject(ended);
      outgoing.destroy();
    };
    const onAbort = (): void => fail(abortError(signal, shownUrl(url)));
    const patience = setTimeout(() => fail(connectTimeout(url)), this.#options.connectTimeoutMs);
    this.#running.add(fail);
    signal.addEventListener("abort", onAbort, { once: true });

    outgoing.once("socket", (socket: Socket) => {
      const connected = (): void => clearTimeout(patience);
      noteReuse();
      if (isReused) connected();
      else socket.once(url.protocol === "https:" ? "secureConnect" : "connect", connected);
    });
    outgoing.once("response", (incoming: IncomingMessage) => {
      head = incoming;
      try {
        answer.resolve(toResponse(request.method, incoming, (cause) => ended ?? cutShort(url, cause)));
      } catch (cause) {
        fail(new DawnletError("UNAVAILABLE", `Cannot read the answer of '${shownUrl(url)}'`, { cause }));
      }
    });
    outgoing.on("error", (error) => {
      isReset = ended === undefined && head === undefined && "code" in error && isResetCode(error.code);
      fail(error instanceof DawnletError ? error : unreachable(url, error));
    });
    outgoing.once("close", () => {
      clearTimeout(patience);
      this.#running.delete(fail);
      signal.removeEventListener("abort", onAbort);
      // Where an answer came, its body knows how it ended.
      if (head === undefined) fail(cutShort(url));
    });

    if (request.body === null) {
      if (!bodilessMethods.has(request.method)) outgoing.setHeader("content-length", 0);
      outgoing.end();
    } else {
      sendBody(outgoing, request.body, request.headers.get("content-length")).catch((error: unknown) =>
        fail(unsendable(url, error)),
      );
    }
    const mayRepeat = request.body === null && repeatable.has(request.method);
    return { answer: answer.promise, wasStale: () => isReset && mayRepeat && isReused };
  }

  /** @throws what `checkAddress` throws for an address in the URL; DawnletError INVALID_ARGUMENT */
  #open(request: HttpClientRequest, url: URL): ClientRequest {
    const isSecure = url.protocol === "https:";
    const hostname = url.hostname.replace(/^\[|\]$/g, "");
    const isAddress = isIP(hostname) !== 0;
    // Nothing is looked up then.
    if (isAddress) this.#options.checkAddress(hostname, url);
    const options = {
      hostname,
      port: url.port || (isSecure ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      method: request.method,
      lookup: this.#lookupFor(url),
      ...(isSecure && { servername: isAddress ? "" : hostname }),
    };
    try {
      const headers = requestHeaders(request.headers, url);
      return isSecure
        ? https.request({ ...options, headers, agent: this.#secureAgent })
        : http.request({ ...options, headers, agent: this.#agent });
    } catch (cause) {
      throw unsendable(url, cause);
    }
  }

  #lookupFor(url: URL): LookupFunction {
    return (hostname, { all }, callback) => {
      const resolved = this.#resolve(hostname).then((addresses) => {
        for (const { address } of addresses) this.#options.checkAddress(address, url);
        return addresses;
      });
      resolved.then(
        (addresses) => {
          const [first] = addresses;
          if (first === undefined) callback(new Error("no address"), []);
          else if (all) callback(null, [...addresses]);
          else callback(null, first.address, first.family);
        },
        (error: Error) => callback(error, []),
      );
    };
  }
}

interface Exchange {
  readonly answer: Promise<Response>;
  /** Whether it failed because the server had closed a kept connection, which says nothing of the server. */
  readonly wasStale: () => boolean;
}

const bodilessMethods = new Set(["GET", "HEAD", "OPTIONS", "DELETE"]);

/** @throws where the head is one that `Response` does not take. */
function toResponse(
  method: string,
  incoming: IncomingMessage,
  failure: (cause?: Error) => DawnletError,
): Response {
  const { statusCode: status = 0, statusMessage = "" } = incoming;
  const isEmpty = method === "HEAD" || emptyStatuses.has(status);
  const init = { status, statusText: statusMessage, headers: responseHeaders(incoming.rawHeaders) };
  if (!isEmpty) return new Response(receivedBody(incoming, failure), init);
  // Read to its end, so that the connection can be kept.
  incoming.on("error", () => {});
  incoming.resume();
  return new Response(null, init);
}

function isResetCode(code: unknown): boolean {
  return code === "ECONNRESET" || code === "EPIPE";
}

function connectTimeout(url: URL): DawnletError {
  return new DawnletError("DEADLINE_EXCEEDED", `Cannot fetch '${shownUrl(url)}' as connecting took too long`);
}

function closedError(): DawnletError {
  return new DawnletError("UNAVAILABLE", "Cannot finish the request as its sender is stopping");
}

function cutShort(url: URL, cause?: Error): DawnletError {
  const message = `Cannot fetch '${shownUrl(url)}' as the server ended the connection early`;
  return new DawnletError("UNAVAILABLE", message, { cause });
}

function unsendable(url: URL, cause: unknown): DawnletError {
  if (cause instanceof DawnletError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new DawnletError("INVALID_ARGUMENT", `Cannot send the request to '${shownUrl(url)}': ${why}`, {
    cause,
  });
}

/** Names no address: the system's own messages do, of private networks too. */
function unreachable(url: URL, cause: Error): DawnletError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  const why =
    reasons[code] ?? (isCertificateCode(code) ? `its certificate is not trusted (${code})` : undefined);
  const message = `Cannot fetch '${shownUrl(url)}' as ${why ?? `the connection failed (${code})`}`;
  return new DawnletError("UNAVAILABLE", message, { cause });
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name has no address",
  EAI_AGAIN: "its name could not be looked up",
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the server ended the connection early",
  EPIPE: "the server ended the connection early",
  ETIMEDOUT: "the server does not answer",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  EPROTO: "the server does not speak TLS",
  ERR_SSL_WRONG_VERSION_NUMBER: "the server does not speak TLS",
};

function isCertificateCode(code: string): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code);
}
