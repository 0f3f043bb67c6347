/**
 * Errors as HTTP answers: the one table from codes to statuses, and the body
 * `{"error": message, "code": code}` that Open Inference clients read as well.
 * What is no DawnletError is a defect of ours: it is logged, and the client gets an id to quote.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
import type { Exchange } from "./exchange.ts";
import { jsonReply, type Reply } from "./reply.ts";

const logger = getLogger(["dawnlet", "http"]);

/** 499 is the status by which proxies log a client that went away. */
export const errorStatuses = {
  INVALID_ARGUMENT: 400,
  INVALID_BUNDLE: 400,
  INVALID_SHADER: 400,
  INVALID_MODEL: 400,
  INVALID_PROGRAM: 400,
  UNSUPPORTED_MODEL: 422,
  LIMIT_EXCEEDED: 422,
  PAYLOAD_TOO_LARGE: 413,
  STORAGE_FULL: 507,
  HOST_NOT_ALLOWED: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  NAME_TAKEN: 409,
  UNSUPPORTED: 415,
  REQUEST_TIMEOUT: 408,
  QUEUE_FULL: 503,
  UNAVAILABLE: 503,
  DEVICE_LOST: 503,
  OUT_OF_MEMORY: 503,
  QUARANTINED: 503,
  NO_ADAPTER: 503,
  DEADLINE_EXCEEDED: 504,
  TIME_LIMIT_EXCEEDED: 504,
  CANCELLED: 499,
  FUNCTION_LIMIT: 503,
  FUNCTION_FAILED: 500,
  CORRUPT_DATA: 500,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>;

/** Codes that the transport adds: a request is refused before anything of Dawnlet sees it. */
export type RefusalCode = "UNAUTHENTICATED" | "FORBIDDEN";

/** Seconds after which to try again, for conditions that pass by themselves. */
const retryAfterSeconds: Partial<Record<ErrorCode, string>> = {
  QUEUE_FULL: "1",
  UNAVAILABLE: "1",
  DEVICE_LOST: "1",
};

/** Statuses in which a protocol differs from the table. */
export type StatusOverrides = Partial<Record<ErrorCode, number>>;

/** The answer for anything that was thrown. Notes the code in the exchange. */
export function errorReply(thrown: unknown, exchange: Exchange, overrides: StatusOverrides = {}): Reply {
  const isOurs = thrown instanceof DawnletError;
  const code = isOurs ? thrown.code : "INTERNAL";
  const status = overrides[code] ?? errorStatuses[code];
  if (status === 500) {
    logger.error("Request {requestId} failed: {error}", { requestId: exchange.requestId, error: thrown });
  }
  const message =
    isOurs && code !== "INTERNAL"
      ? thrown.message
      : `Internal error: the server's log has details under request '${exchange.requestId}'`;
  return codedReply(status, code, message, exchange);
}

/** As `errorReply`, but text, with the stack in the deployed files where there is one: for who writes the function. */
export function readableErrorReply(error: DawnletError, exchange: Exchange): Reply {
  const { headers, ...reply } = errorReply(error, exchange);
  const stack = error.details?.stack;
  const text = typeof stack === "string" ? stack : error.message;
  return {
    ...reply,
    headers: { ...headers, "content-type": "text/plain; charset=utf-8" },
    body: `${text}\n`,
  };
}

/** An error answer whose status is not the table's, such as 405 and 406. */
export function codedReply(status: number, code: ErrorCode, message: string, exchange: Exchange): Reply {
  exchange.errorCode = code;
  const reply = jsonReply({ error: message, code }, status);
  // The rest of the body is not read: the connection cannot carry another request, and the client must know.
  const closes = exchange.closesOnError || code === "PAYLOAD_TOO_LARGE";
  const retryAfter = retryAfterSeconds[code];
  if (!closes && retryAfter === undefined) return reply;
  return withHeaders(reply, {
    ...(closes && { connection: "close" }),
    ...(retryAfter && { "retry-after": retryAfter }),
  });
}

export function refusal(status: 401 | 403, code: RefusalCode, message: string): Reply {
  return jsonReply({ error: message, code }, status);
}

export function withHeaders(reply: Reply, headers: Readonly<Record<string, string>>): Reply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}
