/**
 * Deploying and managing functions: `PUT`, `GET`, `PATCH` and `DELETE` under `/v1/functions`. Uploads are handed on as
 * a stream. With `Accept: application/x-ndjson` a deploy tells its progress line by line.
 */
import type { Context, Hono } from "hono";
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import {
  type FunctionSettingsPatch,
  functionSettingsPatch,
} from "../../kernels/manifest/function-settings.ts";
import type { DeployResult, Functions, Upload } from "../functions/functions.ts";
import { isProvidedName } from "../functions/provided-names.ts";
import { readText, streamBody } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { emptyReply, jsonReply } from "../http/reply.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { functionNameOf as nameOf } from "./names.ts";
import { progressReply, wantsProgress } from "./progress-reply.ts";

export interface FunctionsApiOptions {
  readonly functionsOf: FunctionsOf;
  /** Largest upload in bytes. */
  readonly deployBytes: number;
}

const path = "/v1/functions/:name";

export function addFunctionsApi(app: Hono, endpoint: Endpoint, options: FunctionsApiOptions): void {
  const { functionsOf } = options;
  app.get(
    "/v1/functions",
    endpoint((_, exchange) => jsonReply({ functions: functionsOf(exchange).list() })),
  );
  app.get(
    path,
    endpoint((c, exchange) => jsonReply(functionsOf(exchange).get(nameOf(c)))),
  );
  app.get(
    `${path}/program`,
    endpoint(async (c, exchange) =>
      jsonReply(await functionsOf(exchange).inspect(nameOf(c), c.req.query("version"))),
    ),
  );
  app.put(path, endpoint(deploy(options)));
  app.patch(path, endpoint(configure(functionsOf)));
  app.delete(path, endpoint(remove(functionsOf)));
  app.delete(`${path}/quarantine`, endpoint(liftQuarantine(functionsOf)));
}

function deploy({ functionsOf, deployBytes }: FunctionsApiOptions): Handler {
  return async (c, exchange) => {
    const functions = functionsOf(exchange);
    const name = nameOf(c);
    exchange.closesOnError = true;
    if (isProvidedName(name))
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot deploy function '${name}': such names are those of models that handlers bring themselves`,
      );
    const upload = uploadOf(c, name, deployBytes, exchange);
    const isNew = !functions.list().some((status) => status.name === name);
    if (wantsProgress(c.req.raw)) {
      return progressReply(exchange, (onProgress) => deployFrom(functions, name, upload, onProgress));
    }
    return jsonReply(await deployFrom(functions, name, upload), isNew ? 201 : 200);
  };
}

/** Whatever the deploy left unread is given up, so that the client is not left sending. */
async function deployFrom(
  functions: Functions,
  name: string,
  upload: Upload,
  onProgress?: Parameters<Functions["deploy"]>[2],
): Promise<DeployResult> {
  try {
    return await functions.deploy(name, upload, onProgress);
  } finally {
    // A locked stream has a reader that is responsible for it.
    if (!upload.body.locked) await upload.body.cancel().catch(() => {});
  }
}

function uploadOf(c: Context, name: string, deployBytes: number, exchange: Exchange): Upload {
  const request = c.req.raw;
  if (request.headers.get("content-length") === "0" || request.body === null) {
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot deploy function '${name}' as the request has no body: send a zip, an .onnx or a .wgsl file, or a handler`,
    );
  }
  const contentType = request.headers.get("content-type");
  return { body: streamBody(request, deployBytes, exchange), ...(contentType !== null && { contentType }) };
}

/** Largest body of a change. */
const patchBytes = 64 * 1024;

/**
 * `{"pin": true, "keepAliveMs": 60000, "priority": 5, "deadlineMs": 80, "quota": {"request": 0.2, "limit": 0.5}}`, any of
 * them; null goes back to what the bundle says.
 */
function configure(functionsOf: FunctionsOf): Handler {
  return async (c, exchange) => {
    const functions = functionsOf(exchange);
    const name = nameOf(c);
    functions.get(name);
    const patch = readPatch(name, await readText(c.req.raw, patchBytes, exchange));
    return jsonReply(await functions.configure(name, patch));
  };
}

function readPatch(name: string, text: string): FunctionSettingsPatch {
  const fail = (why: string) =>
    new DawnletError("INVALID_ARGUMENT", `Cannot change function '${name}' as ${why}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw fail("the body is no JSON");
  }
  const result = v.safeParse(functionSettingsPatch, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw fail(`${v.getDotPath(issue) ?? "the body"} is wrong: ${issue.message}`);
}

function remove(functionsOf: FunctionsOf): Handler {
  return async (c, exchange) => {
    const functions = functionsOf(exchange);
    const name = nameOf(c);
    functions.get(name);
    await functions.remove(name);
    return emptyReply(204);
  };
}

function liftQuarantine(functionsOf: FunctionsOf): Handler {
  return async (c, exchange) => {
    await functionsOf(exchange).liftQuarantine(nameOf(c));
    return emptyReply(204);
  };
}
