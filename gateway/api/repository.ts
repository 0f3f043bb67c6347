/**
 * The repository part of the Open Inference Protocol: a deploy interface that existing clients already
 * speak. `load` with a file deploys it; `load` without one only says whether the function is there, as
 * placing models on devices happens by itself; `unload` removes the function.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import { readBody } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { jsonReply } from "../http/reply.ts";
import { isRecord, parseJson } from "../tensors/json-text.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { repositoryIndex } from "./model-description.ts";
import { functionNameOf as nameOf } from "./names.ts";

export interface RepositoryOptions {
  readonly functionsOf: FunctionsOf;
  /** Largest body in bytes, files included: they are read into memory. */
  readonly callBytes: number;
}

/** As Triton maps it for this protocol. */
const statuses = { UNSUPPORTED_MODEL: 501 } as const;

const filePrefix = "file:";
const maxPathLength = 255;
/** Of requests without a file. */
const maxRequestBytes = 64 * 2 ** 10;

export function addRepository(app: Hono, endpoint: Endpoint, options: RepositoryOptions): void {
  app.post("/v2/repository/index", endpoint(index(options)));
  app.post("/v2/repository/models/:name/load", endpoint(load(options), { statuses }));
  app.post("/v2/repository/models/:name/unload", endpoint(unload(options)));
}

function index({ functionsOf }: RepositoryOptions): Handler {
  return async (c, exchange) => {
    const request = await readRecord(c, maxRequestBytes, exchange);
    const { ready = false } = request;
    if (typeof ready !== "boolean") throw failure("read the request", "'ready' is neither true nor false");
    return jsonReply(repositoryIndex(functionsOf(exchange), ready));
  };
}

function load({ functionsOf, callBytes }: RepositoryOptions): Handler {
  return async (c, exchange) => {
    const functions = functionsOf(exchange);
    const name = nameOf(c);
    const file = await readFile(c, name, callBytes, exchange);
    if (file === undefined) functions.get(name);
    else await functions.deploy(name, { body: file.stream(), contentType: "application/octet-stream" });
    return jsonReply({ name, load: true });
  };
}

function unload({ functionsOf }: RepositoryOptions): Handler {
  return async (c, exchange) => {
    const functions = functionsOf(exchange);
    const name = nameOf(c);
    // `unload_dependents` means nothing here: no function depends on another.
    parametersOf(await readRecord(c, maxRequestBytes, exchange), name);
    functions.get(name);
    await functions.remove(name);
    return jsonReply({ name, unload: true });
  };
}

/** The file to deploy, if the request has one: all that is kept of a body while a deploy takes its time. */
async function readFile(
  c: Context,
  name: string,
  callBytes: number,
  exchange: Exchange,
): Promise<Blob | undefined> {
  const parameters = parametersOf(await readRecord(c, callBytes, exchange), name);
  checkConfiguration(name, parameters.config);
  const files = Object.keys(parameters).filter((key) => key.startsWith(filePrefix));
  const [file] = files;
  if (file === undefined) return undefined;
  checkFile(name, files, parameters.config);
  return new Blob([decodeBase64(name, file, parameters[file])]);
}

/** An object; an empty body counts as an empty one, as clients send it. */
async function readRecord(
  c: Context,
  limitBytes: number,
  exchange: Exchange,
): Promise<Record<string, unknown>> {
  const body = await readBody(c.req.raw, limitBytes, exchange);
  if (body.byteLength === 0) return {};
  const value = parseJson(body);
  if (isRecord(value)) return value;
  throw failure("read the request", "the body is no JSON object");
}

function parametersOf(request: Record<string, unknown>, name: string): Record<string, unknown> {
  const { parameters = {} } = request;
  if (isRecord(parameters)) return parameters;
  throw failure(`load '${name}'`, "'parameters' is no object");
}

function checkFile(name: string, files: readonly string[], config: unknown): void {
  if (files.length > 1) {
    throw failure(
      `load '${name}'`,
      `it has ${files.length} files: deploy several as one zip with PUT /v1/functions/${name}`,
    );
  }
  if (config === undefined) throw failure(`load '${name}'`, "a file needs the parameter 'config' beside it");
  const path = files[0]!.slice(filePrefix.length);
  if (path.length > maxPathLength) {
    throw failure(
      `load '${name}'`,
      `the path of its file has ${path.length} characters: at most ${maxPathLength} are allowed`,
    );
  }
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || path.includes("\\")) {
    throw failure(`load '${name}'`, `the path of its file is '${path}': expected one such as '1/model.onnx'`);
  }
}

/** The configuration is read to refuse what is broken. Signatures come from the model itself. */
function checkConfiguration(name: string, config: unknown): void {
  if (config === undefined) return;
  if (typeof config !== "string") throw failure(`load '${name}'`, "its config is no string of JSON");
  const value = parseJson(new TextEncoder().encode(config), { what: `the config of '${name}'` });
  if (!isRecord(value)) throw failure(`load '${name}'`, "its config is no JSON object");
}

function decodeBase64(name: string, file: string, value: unknown): Uint8Array<ArrayBuffer> {
  try {
    if (typeof value === "string") return Uint8Array.fromBase64(value);
  } catch (cause) {
    throw new DawnletError("INVALID_ARGUMENT", `Cannot load '${name}' as '${file}' is not valid base64`, {
      cause,
    });
  }
  throw failure(`load '${name}'`, `'${file}' is no string of base64`);
}

function failure(action: string, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot ${action} as ${what}`);
}
