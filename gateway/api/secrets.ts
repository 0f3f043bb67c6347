/**
 * Secrets of functions, under `/v1/functions/{name}/secrets`: set, removed, and listed by name. Their values come in
 * and never go out.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import { maxSecretBytes, type Secrets } from "../functions/secrets.ts";
import { readBody } from "../http/body.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { emptyReply, jsonReply } from "../http/reply.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { functionNameOf } from "./names.ts";

export interface SecretsApiOptions {
  readonly functionsOf: FunctionsOf;
  readonly secrets: Secrets;
}

const path = "/v1/functions/:name/secrets";

export function addSecrets(app: Hono, endpoint: Endpoint, options: SecretsApiOptions): void {
  const { functionsOf, secrets } = options;
  /** Of a function that the caller may see. @throws DawnletError NOT_FOUND */
  const ownNameOf = (c: Context, exchange: Exchange): string => {
    const name = functionNameOf(c);
    return functionsOf(exchange).version(name).name;
  };
  app.get(
    path,
    endpoint(async (c, exchange) => jsonReply({ secrets: await secrets.names(ownNameOf(c, exchange)) })),
  );
  app.put(
    `${path}/:key`,
    endpoint(async (c, exchange) => {
      // What nobody may set is not to be read whole first.
      ownNameOf(c, exchange);
      const value = textOf(await readBody(c.req.raw, maxSecretBytes, exchange));
      // Again: while the body came the name may have become another's.
      await secrets.set(ownNameOf(c, exchange), keyOf(c), value);
      return emptyReply(204);
    }),
  );
  app.delete(
    `${path}/:key`,
    endpoint(async (c, exchange) => {
      await secrets.remove(ownNameOf(c, exchange), keyOf(c));
      return emptyReply(204);
    }),
  );
}

function keyOf(c: Context): string {
  return c.req.param("key") ?? "";
}

/** Exactly what was sent: a byte order mark is part of it. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DawnletError("INVALID_ARGUMENT", "Cannot set the secret as its value is not UTF-8");
  }
}
