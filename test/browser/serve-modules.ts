/**
 * Serves the repository to a browser as it is: `.ts` files with their types stripped, and imports of packages
 * rewritten to the files behind them. Rewritten and not mapped, because import maps do not reach into workers.
 * Pages are cross-origin isolated. Loopback only; nothing outside the repository is served but what a test gives.
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { resolveImport } from "./resolve.ts";

export const repository = realpathSync(fileURLToPath(new URL("../..", import.meta.url)));

const contentTypes: Readonly<Record<string, string>> = {
  ".ts": "text/javascript",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".html": "text/html",
};

const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

export interface ModuleServer {
  /** Ends with a slash. `${origin}kernels/errors.ts` is that file; `origin` itself is an empty page. */
  readonly origin: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** What else is served, by path without the leading slash. */
  readonly extra?: ReadonlyMap<string, Uint8Array>;
}

export async function serveModules(options: ServeOptions = {}): Promise<ModuleServer> {
  const server = createServer((request, response) => {
    try {
      answer(request, response, options);
    } catch (error) {
      const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
      response.writeHead(isMissing ? 404 : 500, isolation).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, options: ServeOptions): void {
  const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname).slice(1);
  const extra = options.extra?.get(path);
  if (path === "" || path === "favicon.ico") {
    response.writeHead(200, { ...isolation, "content-type": "text/html" });
    response.end("<!doctype html><meta charset=utf-8><title>Dawnlet test</title>");
  } else if (extra) {
    send(request, response, extra, "application/octet-stream");
  } else {
    const file = fileInside(path);
    const type = contentTypes[extname(file)] ?? "application/octet-stream";
    const isCode = type === "text/javascript";
    send(request, response, isCode ? Buffer.from(moduleCode(file)) : readFileSync(file), type);
  }
}

/** Whole, or the one range that is asked for. */
function send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, type: string): void {
  const headers = { ...isolation, "content-type": type };
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (!range) {
    response.writeHead(200, headers).end(bytes);
    return;
  }
  const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
  const contentRange = `bytes ${range[1]}-${Number(range[1]) + part.byteLength - 1}/${bytes.byteLength}`;
  response.writeHead(206, { ...headers, "content-range": contentRange }).end(part);
}

/** @throws an error with code ENOENT where there is no such file in the repository. */
function fileInside(path: string): string {
  const file = realpathSync(join(repository, path));
  const isInside = file.startsWith(repository + sep) && statSync(file).isFile();
  if (isInside) return file;
  throw Object.assign(new Error(`No such file: ${path}`), { code: "ENOENT" });
}

const importPattern = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\2/g;

function moduleCode(file: string): string {
  const source = readFileSync(file, "utf8");
  const code = file.endsWith(".ts") ? stripTypeScriptTypes(source) : source;
  return code.replace(importPattern, (whole, before: string, quote: string, specifier: string) => {
    const target = resolveImport(specifier, file);
    if (!target) return whole;
    return `${before}${quote}/${relative(repository, realpathSync(target)).split(sep).join("/")}${quote}`;
  });
}
