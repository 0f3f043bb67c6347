/**
 * The short form of a call, for people and scripts: `POST /function/{name}` with JSON fields or one tensor
 * as raw bytes, PNG or .npy; the answer by `Accept`. `GET` calls functions that take no inputs.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import { readBody, readText } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import { codedReply, withHeaders } from "../http/error-response.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Reply } from "../http/reply.ts";
import { type CallTarget, callFunction, findTarget } from "./call.ts";
import { forwardTo, type HandlersOptions } from "./handlers.ts";
import { answerForm, mediaTypes, requestForm } from "./media-types.ts";
import { listNames } from "./parameters.ts";
import { parseQuery, parseShortForm, type ShortFormBody } from "./short-form-request.ts";
import { checkForm, shortFormReply } from "./short-form-response.ts";

export interface ShortFormOptions extends HandlersOptions {
  /** Largest body of a call in bytes. */
  readonly callBytes: number;
}

export function addShortForm(app: Hono, endpoint: Endpoint, options: ShortFormOptions): void {
  app.post("/function/:name", endpoint(call(options)));
  app.get("/function/:name", endpoint(callWithoutInputs(options)));
}

function call(options: ShortFormOptions): Handler {
  return (c, exchange) => {
    const found = target(c, exchange, options);
    if (found.version.kind === "handler") return forwardTo(found.version, c, exchange, options);
    return answer(c, exchange, found, options);
  };
}

function callWithoutInputs(options: ShortFormOptions): Handler {
  return (c, exchange) => {
    const found = target(c, exchange, options);
    if (found.version.kind === "handler") return forwardTo(found.version, c, exchange, options);
    const { name, signature } = found.version;
    if (signature.inputs.length === 0) return answer(c, exchange, found, options);
    const message = `Cannot call function '${name}' with GET as it has inputs: send ${listNames(signature.inputs)} with POST`;
    return withHeaders(codedReply(405, "UNSUPPORTED", message, exchange), { allow: "POST" });
  };
}

function target(c: Context, exchange: Exchange, { functionsOf }: ShortFormOptions): CallTarget {
  const version = c.req.url.includes("?") ? c.req.query("version") : undefined;
  return findTarget(functionsOf(exchange), exchange, c.req.param("name") ?? "", version);
}

async function answer(
  c: Context,
  exchange: Exchange,
  found: CallTarget,
  { functionsOf, callBytes }: ShortFormOptions,
): Promise<Reply> {
  const { version } = found;
  const request = c.req.raw;
  const form = answerForm(request.headers.get("accept"));
  if (form === undefined) {
    const message = `Cannot answer in any of the types that Accept names: this answers ${listForms()}`;
    return codedReply(406, "UNSUPPORTED", message, exchange);
  }
  const query = parseQuery(c, version);
  checkForm(form, version, query.outputs);
  const body = await readShortForm(request, callBytes, exchange);
  const parsed = await parseShortForm(body, query, version, callBytes);
  const result = await callFunction(functionsOf(exchange), exchange, found, parsed, request);
  return shortFormReply(form, result);
}

async function readShortForm(
  request: Request,
  callBytes: number,
  exchange: Exchange,
): Promise<ShortFormBody> {
  if (request.method === "GET" || request.method === "HEAD") return { form: "json", text: "" };
  const type = request.headers.get("content-type");
  const form = requestForm(type);
  if (form === undefined) {
    throw new DawnletError("UNSUPPORTED", `Cannot read a body of type '${type}': send ${listForms()}`);
  }
  if (form === "json") return { form, text: await readText(request, callBytes, exchange) };
  return { form, bytes: await readBody(request, callBytes, exchange) };
}

function listForms(): string {
  return Object.values(mediaTypes).join(", ");
}
