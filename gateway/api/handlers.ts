/**
 * Requests to handlers: `ANY /function/{name}` and all paths below it, with bodies as streams both ways. A handler sees
 * its own paths: what comes after its name.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import { useHeader } from "../../runtime/isolate/protocol.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import { codedReply, withHeaders } from "../http/error-response.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Reply } from "../http/reply.ts";
import { findTarget } from "./call.ts";
import type { FunctionsOf } from "./functions-of.ts";

export interface HandlersOptions {
  readonly functionsOf: FunctionsOf;
  /** The header `authorization` is for the gateway, and not passed on. */
  readonly takesTokens: boolean;
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
  { functionsOf, takesTokens }: HandlersOptions,
): Promise<Reply> {
  const { name } = version;
  if (version.kind !== "handler") {
    const isOwnPath = c.req.path === `/function/${name}`;
    const message = isOwnPath
      ? `Cannot call function '${name}' with ${c.req.method}: send POST`
      : `Cannot call '${c.req.path}' as function '${name}' is no handler and has no paths: send POST to /function/${name}`;
    return isOwnPath
      ? withHeaders(codedReply(405, "UNSUPPORTED", message, exchange), { allow: "GET, POST" })
      : codedReply(404, "NOT_FOUND", message, exchange);
  }
  const request = handlersOwn(c.req.raw, name, takesTokens);
  // An answer may come before all of the body was read.
  exchange.closesOnError = true;
  try {
    const { response, timings } = await functionsOf(exchange).fetch({ name, request });
    exchange.timings = timings;
    const headers = new Headers(response.headers);
    for (const header of hopHeaders) headers.delete(header);
    // What the server itself says of the body is true; a wrong length would make the rest of it another answer.
    if (c.req.method !== "HEAD" || !/^\d{1,15}$/.test(headers.get("content-length") ?? ""))
      headers.delete("content-length");
    return { status: response.status, headers, body: response.body };
  } catch (error) {
    if (request.signal.aborted && !(error instanceof DawnletError))
      throw new DawnletError("CANCELLED", "Cannot finish the call as the client went away", { cause: error });
    throw error;
  }
}

/** Between two parties of one connection: none of the other's. */
const hopHeaders = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

function handlersOwn(request: Request, name: string, takesTokens: boolean): Request {
  const prefix = `/function/${name}`;
  const url = new URL(request.url);
  url.pathname = url.pathname.slice(prefix.length) || "/";
  const headers = new Headers(request.headers);
  for (const header of [...hopHeaders, "expect", useHeader]) headers.delete(header);
  if (takesTokens) headers.delete("authorization");
  headers.set(prefixHeader, prefix);
  const { method, signal } = request;
  const body = method === "GET" || method === "HEAD" ? null : request.body;
  return new Request(url, { method, headers, signal, body, ...(body && { duplex: "half" }) } as RequestInit);
}
