/**
 * The Open Inference Protocol v2 over HTTP: server and model health, metadata, configuration, inference,
 * statistics. The repository part is in repository.ts.
 * https://github.com/kserve/open-inference-protocol, with Triton's extensions where clients rely on them.
 */
import type { Context, Hono } from "hono";
import type { Functions, FunctionVersion } from "../functions/functions.ts";
import { readBody, readText } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { jsonReply, type Reply } from "../http/reply.ts";
import { headerLengthName, parseHeaderLength } from "../tensors/binary.ts";
import { callFunction, findTarget } from "./call.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { type InferRequest, parseInferBinary, parseInferJson } from "./infer-request.ts";
import { inferReply } from "./infer-response.ts";
import { modelConfiguration, modelMetadata } from "./model-description.ts";
import { modelStatistics, type Statistics } from "./statistics.ts";

export interface OpenInferenceOptions {
  /** All of them, for what is open. */
  readonly functions: Functions;
  readonly functionsOf: FunctionsOf;
  readonly statistics: Statistics;
  /** Largest body of a call in bytes. */
  readonly callBytes: number;
  /** Of the server, for `GET /v2`. */
  readonly serverVersion: string;
}

const extensions = [
  "binary_tensor_data",
  "model_repository",
  "model_configuration",
  "parameters",
  "statistics",
];

/** Unknown models answer 404, everything else as the table of error-response.ts says. */
export function addOpenInference(app: Hono, endpoint: Endpoint, options: OpenInferenceOptions): void {
  const { functions, functionsOf, serverVersion } = options;
  app.get(
    "/v2",
    endpoint(() => jsonReply({ name: "dawnlet", version: serverVersion, extensions })),
  );
  addHealth(app, endpoint, functions);

  addModelPath(app, endpoint, "get", "", modelOrStatistics(options));
  addModelPath(app, endpoint, "get", "/ready", (c, exchange) => {
    const own = functionsOf(exchange);
    return modelReady(own, versionOf(own, c));
  });
  addModelPath(app, endpoint, "get", "/config", (c, exchange) =>
    jsonReply(modelConfiguration(versionOf(functionsOf(exchange), c))),
  );
  addModelPath(app, endpoint, "get", "/stats", (c, exchange) =>
    statisticsReply(options, [versionOf(functionsOf(exchange), c)]),
  );
  addModelPath(app, endpoint, "post", "/infer", infer(options));
}

/** Both forms of a model's path: of the current version, and of one that is named. */
function addModelPath(
  app: Hono,
  endpoint: Endpoint,
  method: "get" | "post",
  rest: string,
  handler: Handler,
): void {
  app[method](`/v2/models/:name${rest}`, endpoint(handler));
  app[method](`/v2/models/:name/versions/:version${rest}`, endpoint(handler));
}

function addHealth(app: Hono, endpoint: Endpoint, functions: Functions): void {
  // Clients differ in which of the two keys they read: both are always there.
  const health = () => ({ live: true, ready: functions.ready });
  app.get(
    "/v2/health/live",
    endpoint(() => jsonReply(health()), { isOpen: true }),
  );
  app.get(
    "/v2/health/ready",
    endpoint(() => jsonReply(health(), functions.ready ? 200 : 503), { isOpen: true }),
  );
}

function versionOf(functions: Functions, c: Context): FunctionVersion {
  return functions.version(nameOf(c), c.req.param("version"));
}

function nameOf(c: Context): string {
  return c.req.param("name") ?? "";
}

/**
 * `/v2/models/stats` lies where a model named "stats" would. It is no route of its own, because a fixed
 * path beside one with a name makes Hono fall back to its slower router for every request.
 */
function modelOrStatistics(options: OpenInferenceOptions): Handler {
  return (c, exchange) => {
    const functions = options.functionsOf(exchange);
    const isStatistics = nameOf(c) === "stats" && c.req.param("version") === undefined;
    if (isStatistics) return allStatistics(options, functions);
    return jsonReply(modelMetadata(functions.get(nameOf(c)), versionOf(functions, c)));
  };
}

/** 503 is what KServe's client reads as "not ready"; Triton's reads anything but 200 so. */
function modelReady(functions: Functions, version: FunctionVersion): Reply {
  const ready = functions.ready && version.quarantine === undefined;
  return jsonReply({ name: version.name, ready }, ready ? 200 : 503);
}

function infer({ functionsOf, callBytes }: OpenInferenceOptions): Handler {
  return async (c, exchange) => {
    const functions = functionsOf(exchange);
    const request = c.req.raw;
    const target = findTarget(functions, exchange, nameOf(c), c.req.param("version"));
    const call = await readInferRequest(request, callBytes, target.version, exchange);
    const result = await callFunction(functions, exchange, target, call, request);
    return inferReply(call, result);
  };
}

async function readInferRequest(
  request: Request,
  callBytes: number,
  version: FunctionVersion,
  exchange: Exchange,
): Promise<InferRequest> {
  const header = request.headers.get(headerLengthName);
  if (header === null) return parseInferJson(await readText(request, callBytes, exchange), version);
  const body = await readBody(request, callBytes, exchange);
  return parseInferBinary(body, parseHeaderLength(header, body.byteLength), version);
}

/** Of the functions that the caller may see; counts are kept of all that there are. */
function allStatistics(options: OpenInferenceOptions, own: Functions): Reply {
  options.statistics.retain(versionsOf(options.functions));
  return statisticsReply(options, versionsOf(own));
}

function versionsOf(functions: Functions): readonly FunctionVersion[] {
  return functions.list().flatMap((status) => status.versions);
}

function statisticsReply({ statistics }: OpenInferenceOptions, versions: readonly FunctionVersion[]): Reply {
  return jsonReply({ model_stats: versions.map((version) => modelStatistics(statistics.of(version))) });
}
