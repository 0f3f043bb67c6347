/**
 * HTTP in Deno, by `Deno.serve`.
 *
 * Its own `shutdown()` cannot be given up on once it waits for a request that does not end. So requests are
 * counted here: it is called when there are none left, and the server is cut off when their time is over.
 * Start Deno with `--unstable-no-legacy-abort`: otherwise it also aborts the signals of requests that were
 * answered, and warns of it.
 *
 * Where a request is answered before all of its body has come, its connection stays until the client ends it, whatever
 * `connection: close` says (Deno 2.9.5): nothing here ends a single one.
 */
import { notListening } from "./node-http.ts";
import type { FetchHandler, HttpOptions, HttpServer } from "./platform.ts";

/** What is used of Deno's own. */
declare const Deno: {
  serve(options: {
    hostname: string;
    port: number;
    signal: AbortSignal;
    onListen: () => void;
    handler: (request: Request, info: { readonly completed: Promise<void> }) => Response | Promise<Response>;
  }): {
    readonly addr: { readonly port: number };
    readonly finished: Promise<void>;
    shutdown(): Promise<void>;
  };
};

/** See `Platform.serveHttp`. */
export async function serveDenoHttp(fetch: FetchHandler, options: HttpOptions): Promise<HttpServer> {
  const controller = new AbortController();
  const settled = Promise.withResolvers<"idle" | "late">();
  let running = 0;
  let closing: Promise<void> | undefined;

  const handler = (
    request: Request,
    info: { readonly completed: Promise<void> },
  ): Response | Promise<Response> => {
    if (closing) return new Response("Closing\n", { status: 503, headers: { connection: "close" } });
    running++;
    const done = (): void => {
      running--;
      if (closing && running === 0) settled.resolve("idle");
    };
    info.completed.then(done, done);
    return fetch(request);
  };

  const close = async (graceMs: number): Promise<void> => {
    if (running === 0) settled.resolve("idle");
    const limit = setTimeout(() => settled.resolve("late"), graceMs);
    if ((await settled.promise) === "late") controller.abort();
    else await server.shutdown();
    clearTimeout(limit);
    await server.finished;
  };

  let server: ReturnType<typeof Deno.serve>;
  try {
    const { hostname, port } = options;
    server = Deno.serve({ hostname, port, signal: controller.signal, onListen: () => {}, handler });
  } catch (cause) {
    throw cause instanceof Error ? notListening(options, cause) : cause;
  }
  return {
    port: server.addr.port,
    close: (graceMs = 5000) => {
      closing ??= close(graceMs);
      return closing;
    },
  };
}
