/**
 * Errors that the process of a handler sent: code of strangers can send any. Some codes mean something to the gateway or
 * to clients that only the gateway may say (whose fault a lost device was, that stored bytes are damaged, that a limit was
 * passed): all but the harmless become FUNCTION_FAILED, and of details the stack alone is kept.
 */
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";

/** What a function or a host that the handler asked may have answered, and the handler has passed on. */
const harmless: ReadonlySet<ErrorCode> = new Set([
  ...(["INVALID_ARGUMENT", "NOT_FOUND", "UNSUPPORTED", "PAYLOAD_TOO_LARGE", "LIMIT_EXCEEDED"] as const),
  ...(["OUT_OF_MEMORY", "QUEUE_FULL", "UNAVAILABLE", "HOST_NOT_ALLOWED", "FUNCTION_FAILED"] as const),
]);

/** Stacks of modules that do not load are long. */
const longestMessage = 64 * 1024;

/** @param also codes that may pass beside those. */
export function strangersError({ code, message, details }: DawnletError, also?: ErrorCode): DawnletError {
  const passes = harmless.has(code) || code === also;
  const stack = details?.stack;
  return new DawnletError(passes ? code : "FUNCTION_FAILED", message.slice(0, longestMessage), {
    ...(typeof stack === "string" && { details: { stack: stack.slice(0, longestMessage) } }),
  });
}
