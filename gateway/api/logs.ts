/**
 * What functions have logged: `GET /v1/functions/{name}/logs?tail=100&level=warn&follow=true`, lines of JSON
 * `{"time", "level", "version", "instance", "message", "fields"?}`, oldest first. With `follow` the answer goes on until
 * the client goes; empty lines come in between so that connections stay open.
 */
import type { Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import type { LogLevel } from "../../runtime/isolate/protocol.ts";
import { type FunctionLogs, logLevelNames, logLimits } from "../handlers/function-logs.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { followLog, ndjson } from "./log-stream.ts";
import { functionNameOf } from "./names.ts";

export interface LogsApiOptions {
  readonly functionsOf: FunctionsOf;
  readonly logs: FunctionLogs;
}

const headers = { "content-type": "application/x-ndjson", "cache-control": "no-store" };
const defaultTail = 100;

export function addLogs(app: Hono, endpoint: Endpoint, { functionsOf, logs }: LogsApiOptions): void {
  app.get(
    "/v1/functions/:name/logs",
    endpoint((c, exchange) => {
      // Of a function that the caller may see: it names the owner.
      const owner = functionsOf(exchange).version(functionNameOf(c));
      const tail = tailOf(c.req.query("tail"));
      const level = levelOf(c.req.query("level"));
      if (isFollowing(c.req.query("follow")))
        return { status: 200, headers, body: followLog({ logs, owner, tail, level }) };
      return { status: 200, headers, body: ndjson(logs.tail(owner, tail, level)) };
    }),
  );
}

function tailOf(text: string | undefined): number {
  if (text === undefined) return defaultTail;
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count <= logLimits.lines) return count;
  throw wrong("tail", text, `a number from 0 to ${logLimits.lines}`);
}

function levelOf(text: string | undefined): LogLevel {
  if (text === undefined) return "debug";
  const level = logLevelNames.find((name) => name === text);
  if (level !== undefined) return level;
  throw wrong("level", text, logLevelNames.join(", "));
}

function isFollowing(text: string | undefined): boolean {
  if (text === undefined || text === "false") return false;
  if (text === "true" || text === "") return true;
  throw wrong("follow", text, "true or false");
}

function wrong(name: string, text: string, expected: string): DawnletError {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return new DawnletError("INVALID_ARGUMENT", `Cannot use ${name}=${shown}: expected ${expected}`);
}
