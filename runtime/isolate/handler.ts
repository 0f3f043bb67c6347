/** The code of a handler: loaded as one module, asked for each request. */
import { DawnletError } from "../../kernels/errors.ts";
import type { HandlerContext } from "../library/types.ts";

/** What a bundle exports by default: an object with `fetch`, a Hono app for one. */
export type HandlerFetch = (request: Request, env: object, context: HandlerContext) => Promise<Response>;

/**
 * Evaluates the module.
 * @param entry the handler's file, for messages.
 * @throws DawnletError INVALID_BUNDLE where it has no handler; whatever the module itself throws.
 */
export async function loadHandler(code: Uint8Array, entry: string): Promise<HandlerFetch> {
  const module: { default?: unknown } = await import(`data:text/javascript;base64,${code.toBase64()}`);
  const handler = module.default;
  const fetch = isObject(handler) && "fetch" in handler ? handler.fetch : undefined;
  if (typeof fetch !== "function")
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot use ${entry} as its default export has no method 'fetch': expected 'export default { fetch(request, env, ctx) { … } }'`,
    );
  return async (request, env, context) => {
    const response: unknown = await Reflect.apply(fetch, handler, [request, env, context]);
    if (response instanceof Response) return response;
    throw new TypeError(`'fetch' of ${entry} answered ${describe(response)}: expected a Response`);
  };
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : `a ${typeof value}`;
}
