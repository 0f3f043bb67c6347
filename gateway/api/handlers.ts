/**
 * Requests to handlers: `ANY /function/{name}` and all paths below it, with bodies as streams both ways. A handler sees
 * its own paths: what comes after its name.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import { useHeader } from "../../runtime/isolate/protocol.ts";
import { isSmallLength } from "../../runtime/port/fetch/fetch-limits.ts";
import type { PlainRequest, PlainResponse } from "../../runtime/port/fetch/heads.ts";
import type { FetchInvocation, FunctionVersion } from "../functions/functions.ts";
import { readBody } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import { codedReply, readableErrorReply, withHeaders } from "../http/error-response.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Reply } from "../http/reply.ts";
import { findTarget } from "./call.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { locationForClients } from "./handler-location.ts";

export interface HandlersOptions {
  readonly functionsOf: FunctionsOf;
  /** The header `authorization` is for the gateway, and not passed on. */
  readonly takesTokens: boolean;
  /** Who calls a handler is who writes it. */
  readonly showsStacks: boolean;
}

/** Tells the handler, and its links, where its paths begin for clients. */
export const prefixHeader = "x-forwarded-prefix";

/** To be added after the short form of calls, which has GET and POST of a function's own path. */
export function addHandlers(app: Hono, endpoint: Endpoint, options: HandlersOptions): void {
  app.all("/function/:name/*", endpoint(forward(options)));
  app.all("/function/:name", endpoint(forward(options)));
}

function forward(options: HandlersOptions): Handler {
  return (c, exchange) => {
    const { version } = findTarget(options.functionsOf(exchange), exchange, c.req.param("name") ?? "");
    return forwardTo(version, c, exchange, options);
  };
}

/** @param version that the exchange counts as a call of. */
export async function forwardTo(
  version: FunctionVersion,
  c: Context,
  exchange: Exchange,
  { functionsOf, takesTokens, showsStacks }: HandlersOptions,
): Promise<Reply> {
  const { name } = version;
  if (version.kind !== "handler") {
    const isOwnPath = c.req.path === `/function/${name}`;
    const message = isOwnPath
      ? `Cannot call function '${name}' with ${c.req.method}: send POST`
      : `Cannot call '${c.req.path}' as function '${name}' is no handler and has no paths: send POST to /function/${name}`;
    return isOwnPath
      ? withHeaders(codedReply(405, "UNSUPPORTED", message, exchange), { allow: "GET, HEAD, POST" })
      : codedReply(404, "NOT_FOUND", message, exchange);
  }
  const { signal } = c.req.raw;
  // An answer may come before all of the body was read.
  exchange.closesOnError = true;
  try {
    const call = handlersOwn(c.req.raw, name, takesTokens, exchange);
    const { response, timings } = await functionsOf(exchange).fetch({ name, ...call, signal });
    exchange.timings = timings;
    return handlersReply(response, c.req.raw, name);
  } catch (error) {
    if (signal.aborted && !(error instanceof DawnletError))
      throw new DawnletError("CANCELLED", "Cannot finish the call as the client went away", { cause: error });
    const wantsJson = c.req.header("accept")?.includes("application/json") === true;
    if (showsStacks && !wantsJson && error instanceof DawnletError)
      return readableErrorReply(error, exchange);
    throw error;
  }
}

/** Between two parties of one connection: none of the other's. */
const hopHeaders: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function handlersOwn(
  request: Request,
  name: string,
  takesTokens: boolean,
  exchange: Exchange,
): Pick<FetchInvocation, "request" | "arriving"> {
  const headers: [string, string][] = [];
  for (const [header, value] of request.headers) {
    const isOurs =
      header === prefixHeader || header === useHeader || (takesTokens && header === "authorization");
    if (!isOurs && header !== "expect" && !hopHeaders.has(header)) headers.push([header, value]);
  }
  headers.push([prefixHeader, `/function/${name}`]);
  const { body, ...rest } = bodyOf(request, exchange);
  return { request: { method: request.method, url: handlersUrl(request.url), headers, body }, ...rest };
}

/** Without `/function/{name}`, whose name may be written with escapes. */
function handlersUrl(url: string): string {
  const path = url.indexOf("/", url.indexOf("://") + "://".length);
  const rest = url.slice(path + "/function/".length).replace(/^[^/?#]*/, "");
  return `${url.slice(0, path)}${rest.startsWith("/") ? "" : "/"}${rest}`;
}

/** Of a small body no stream is made, on its whole way. */
function bodyOf(
  request: Request,
  exchange: Exchange,
): { body: PlainRequest["body"]; arriving?: Promise<Uint8Array> } {
  if (request.method === "GET" || request.method === "HEAD") return { body: null };
  const length = request.headers.get("content-length");
  // What is encoded is the handler's to decode.
  const isPlain = request.headers.get("content-encoding") === null;
  if (length === null || !isSmallLength(length) || !isPlain) return { body: request.body };
  const arriving = readBody(request, Number(length), exchange);
  // A call can fail before it needs its body.
  arriving.catch(() => {});
  return { body: null, arriving };
}

/** What HTTP does not take in a header, though Fetch may. */
const noHeaderValue = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * What code of strangers answers, as it may go onto a connection that others use too: how long the body is, says nobody
 * but who sends it. @throws DawnletError FUNCTION_FAILED
 */
function handlersReply({ status, headers, body }: PlainResponse, request: Request, name: string): Reply {
  const isDescribed = request.method === "HEAD" || status === 304;
  const kept: [string, string][] = [];
  for (const [given, value] of headers) {
    const header = given.toLowerCase();
    if (hopHeaders.has(header) || (header === "content-length" && !isDescribed)) continue;
    if (noHeaderValue.test(value)) {
      const message = `Cannot pass on what function '${name}' answered as its header '${header}' has characters that HTTP does not allow`;
      throw new DawnletError("FUNCTION_FAILED", message);
    }
    kept.push([header, header === "location" ? locationOf(value, request.url, name) : value]);
  }
  // Node's server would call it text.
  if (body !== null && !kept.some(([header]) => header === "content-type"))
    kept.push(["content-type", "application/octet-stream"]);
  const record = Object.fromEntries(kept);
  const isRecord = Object.keys(record).length === kept.length;
  return { status, headers: isRecord ? record : new Headers(kept), body };
}

function locationOf(location: string, url: string, name: string): string {
  return locationForClients(location, new URL(url).origin, `/function/${name}`);
}
