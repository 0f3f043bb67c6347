/**
 * Deploying and managing functions: `PUT`, `GET` and `DELETE` under `/v1/functions`. Uploads are handed on as
 * a stream. With `Accept: application/x-ndjson` a deploy tells its progress line by line.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import type { DeployResult, Functions, Upload } from "../functions/functions.ts";
import { streamBody } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import { emptyReply, jsonReply } from "../http/reply.ts";
import { progressReply } from "./deploy-progress.ts";
import { checkFunctionName } from "./names.ts";

export interface FunctionsApiOptions {
  readonly functions: Functions;
  /** Largest upload in bytes. */
  readonly deployBytes: number;
}

const path = "/v1/functions/:name";

export function addFunctionsApi(app: Hono, endpoint: Endpoint, options: FunctionsApiOptions): void {
  const { functions } = options;
  app.get(
    "/v1/functions",
    endpoint(() => jsonReply({ functions: functions.list() })),
  );
  app.get(
    path,
    endpoint((c) => jsonReply(functions.get(nameOf(c)))),
  );
  app.get(
    `${path}/program`,
    endpoint(async (c) => jsonReply(await functions.inspect(nameOf(c), c.req.query("version")))),
  );
  app.put(path, endpoint(deploy(options)));
  app.delete(path, endpoint(remove(functions)));
}

function deploy({ functions, deployBytes }: FunctionsApiOptions): Handler {
  return async (c, exchange) => {
    const name = nameOf(c);
    const upload = uploadOf(c, name, deployBytes);
    const isNew = !functions.list().some((status) => status.name === name);
    if (c.req.header("accept")?.includes("application/x-ndjson")) {
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

function uploadOf(c: Context, name: string, deployBytes: number): Upload {
  const request = c.req.raw;
  if (request.headers.get("content-length") === "0" || request.body === null) {
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot deploy function '${name}' as the request has no body: send a zip, an .onnx or a .wgsl file`,
    );
  }
  const contentType = request.headers.get("content-type");
  return { body: streamBody(request, deployBytes), ...(contentType !== null && { contentType }) };
}

function remove(functions: Functions): Handler {
  return async (c) => {
    const name = nameOf(c);
    functions.get(name);
    await functions.remove(name);
    return emptyReply(204);
  };
}

function nameOf(c: Context): string {
  const name = c.req.param("name") ?? "";
  checkFunctionName(name);
  return name;
}
