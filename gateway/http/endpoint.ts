/**
 * What every request passes: access check, one error boundary, the headers `x-request-id` and
 * `Server-Timing`, `dawnlet-device`, the access log and the call counters. One function around a handler instead of a chain
 * of middleware: the way of a small call is short.
 */
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { AccessCheck } from "./access.ts";
import { errorReply, refusal, type StatusOverrides } from "./error-response.ts";
import { type BodyIntake, type CallObserver, Exchange } from "./exchange.ts";
import type { Reply } from "./reply.ts";

const logger = getLogger(["dawnlet", "http"]);

export type Handler = (c: Context, exchange: Exchange) => Reply | Promise<Reply>;

export interface EndpointOptions {
  /** True for what a probe may ask without a token: health. */
  readonly isOpen?: boolean;
  /** True for what tells of all functions together: tenants are refused. */
  readonly isForOperator?: boolean;
  readonly statuses?: StatusOverrides;
}

/** Makes a Hono handler of ours. */
export type Endpoint = (handler: Handler, options?: EndpointOptions) => (c: Context) => Promise<Response>;

export function createEndpoint(access: AccessCheck, observer: CallObserver, intake: BodyIntake): Endpoint {
  return (handler, options = {}) => {
    const admit = (request: Request, exchange: Exchange): Reply | undefined => {
      const answer = access(request);
      if (answer.type === "refused") return answer.reply;
      exchange.caller = answer;
      return options.isForOperator && answer.type !== "operator" ? operatorOnly : undefined;
    };
    return async (c) => {
      const request = c.req.raw;
      const exchange = new Exchange(request.headers.get("x-request-id"), observer, intake);
      let reply: Reply;
      try {
        const refused = options.isOpen ? undefined : admit(request, exchange);
        reply = refused ?? (await handler(c, exchange));
      } catch (thrown) {
        reply = errorReply(thrown, exchange, options.statuses);
      }
      if (!exchange.worksPastAnswer) exchange.release();
      return finish(c, exchange, reply, observer);
    };
  };
}

const operatorOnly = refusal(
  403,
  "FORBIDDEN",
  "Cannot answer a tenant here as it tells of all functions: it takes the operator's token",
);

function finish(c: Context, exchange: Exchange, reply: Reply, observer: CallObserver): Response {
  const totalMs = performance.now() - exchange.startedAtMs;
  const { caller, version, timings, errorCode } = exchange;
  const { status } = reply;
  if (version !== undefined) observer.callFinished({ version, status, errorCode, totalMs, timings });
  if (logger.isEnabledFor("info")) {
    logger.info("{method} {path} {status} in {durationMs} ms", {
      method: c.req.method,
      path: c.req.path,
      status,
      durationMs: Math.round(totalMs * 1000) / 1000,
      requestId: exchange.requestId,
      ...(caller?.type === "tenant" && { tenant: caller.name }),
      ...(version && { function: version.name, version: version.version }),
      ...(errorCode && { code: errorCode }),
    });
  }
  const own: Record<string, string> = {
    "x-request-id": exchange.requestId,
    "server-timing": serverTiming(exchange, totalMs),
  };
  if (exchange.device !== undefined) own["dawnlet-device"] = exchange.device;
  if (!(reply.headers instanceof Headers))
    return new Response(reply.body, { status, headers: { ...reply.headers, ...own } });
  for (const [name, value] of Object.entries(own)) reply.headers.set(name, value);
  return new Response(reply.body, { status, headers: reply.headers });
}

/** https://www.w3.org/TR/server-timing/ */
function serverTiming(exchange: Exchange, totalMs: number): string {
  let text = "";
  for (const [hop, milliseconds] of exchange.timings ?? []) text += `${hop};dur=${rounded(milliseconds)}, `;
  return `${text}total;dur=${rounded(totalMs)}`;
}

/** To microseconds; shorter and much faster than `toFixed`. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
