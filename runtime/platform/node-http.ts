/** HTTP in Node, by the Node adapter of Hono: it turns node:http's requests into web-standard ones. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DawnletError } from "../../kernels/errors.ts";
import type { FetchHandler, HttpOptions, HttpServer } from "./platform.ts";

/** How often connections that have become idle are looked for while the server closes. */
const idleCheckMs = 50;

/** See `Platform.serveHttp`. */
export async function serveNodeHttp(fetch: FetchHandler, options: HttpOptions): Promise<HttpServer> {
  // Lazy: device processes do not serve.
  const { createAdaptorServer } = await import("@hono/node-server");
  const server = createAdaptorServer({ fetch, hostname: options.hostname }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(notListening(options, cause)));
    server.listen(options.port, options.hostname, resolve);
  });
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    port,
    close: (graceMs = 5000) => {
      closing ??= closeServer(server, graceMs);
      return closing;
    },
  };
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  // Connections kept alive for a next request would keep the server open: those are closed as they fall idle.
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
  const limit = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearInterval(idle);
  clearTimeout(limit);
}

/** The same words on every platform. */
export function notListening(options: HttpOptions, cause: Error): DawnletError {
  const { hostname, port } = options;
  const code = "code" in cause ? cause.code : cause.name;
  const taken = code === "EADDRINUSE" || code === "AddrInUse";
  const why = taken ? "another program uses this port: choose another one" : cause.message;
  return new DawnletError("UNAVAILABLE", `Cannot listen on ${hostname}:${port} as ${why}`, { cause });
}
