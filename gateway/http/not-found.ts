/**
 * Paths that no handler took: 405 with `Allow` where the path exists for other methods, 404 otherwise.
 */
import type { Hono } from "hono";
import type { Handler } from "./endpoint.ts";
import { codedReply, withHeaders } from "./error-response.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

export function notFoundHandler(app: Hono): Handler {
  return (c, exchange) => {
    const { method, path } = c.req;
    const allowed = methods.filter((candidate) => hasRoute(app, candidate, path));
    if (allowed.length === 0) {
      return codedReply(404, "NOT_FOUND", `Cannot find '${path}': there is no such path`, exchange);
    }
    const allow = allowed.flatMap((known) => (known === "GET" ? ["GET", "HEAD"] : [known])).join(", ");
    const message = `Cannot answer ${method} '${path}': it takes ${allow}`;
    return withHeaders(codedReply(405, "UNSUPPORTED", message, exchange), { allow });
  };
}

/** Middleware is registered for all methods and makes no path exist. */
function hasRoute(app: Hono, method: string, path: string): boolean {
  return app.router.match(method, path)[0].some(([[, route]]) => route.method === method);
}
