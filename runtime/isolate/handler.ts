/** The code of a handler: loaded as one module, asked for each request. */
import { DawnletError } from "../../kernels/errors.ts";
import type { HandlerContext } from "../library/types.ts";
import { show } from "./log.ts";

/** What a bundle exports by default: an object with `fetch`, a Hono app for one. */
export type HandlerFetch = (request: Request, env: object, context: HandlerContext) => Promise<Response>;

/** What stands for the module in stacks: the gateway puts the bundle's own files in its place (source-positions.ts). */
const moduleName = "handler.js";
/** Node and Deno name modules of a data URL by it; Deno leaves the middle out. */
const moduleUrl = /data:text\/javascript;base64,[A-Za-z0-9+/=.]*/g;

/** An error for the log, with a stack whose frames name the module shortly. */
export function showFailure(error: unknown): string {
  return show(error).replace(moduleUrl, moduleName);
}

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
