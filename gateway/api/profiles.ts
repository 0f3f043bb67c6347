/**
 * Profiles of functions: `POST /v1/functions/{name}/profile` measures one, telling its progress with
 * `Accept: application/x-ndjson`; `GET` answers the one that was measured last, `GET …/profile.svg` draws it. Each takes
 * `?version`, the latter two `?device`.
 */
import type { Context, Hono } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import type { ProfileOf, Profiles } from "../functions/profile/profiles.ts";
import { readText } from "../http/body.ts";
import type { Endpoint, Handler } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { jsonReply } from "../http/reply.ts";
import { type HeatMapQuantity, heatMap, heatMapQuantities } from "../scheduler/profile/heat-map.ts";
import { toMeasuredRecord } from "../scheduler/profile/measured-profile.ts";
import type { FunctionsOf } from "./functions-of.ts";
import { functionNameOf } from "./names.ts";
import { parseProfileRequest } from "./profile-request.ts";
import { type Progress, progressReply, wantsProgress } from "./progress-reply.ts";

export interface ProfilesApiOptions {
  readonly functionsOf: FunctionsOf;
  readonly profiles: Pick<Profiles, "measure" | "stored">;
  /** Largest body in bytes: inputs can be in it. */
  readonly callBytes: number;
}

const path = "/v1/functions/:name/profile";
/** The picture is a document when it is opened by itself: it may load and run nothing. */
const svgHeaders = {
  "content-type": "image/svg+xml",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
};

export function addProfiles(app: Hono, endpoint: Endpoint, options: ProfilesApiOptions): void {
  const { functionsOf, profiles } = options;
  const stored = (c: Context, exchange: Exchange) => {
    const { name } = ownVersion(functionsOf, c, exchange);
    const of: ProfileOf = { name, version: c.req.query("version"), device: c.req.query("device") };
    return profiles.stored(of);
  };
  app.post(path, endpoint(measure(options)));
  app.get(
    path,
    endpoint(async (c, exchange) => jsonReply(toMeasuredRecord(await stored(c, exchange)))),
  );
  app.get(
    `${path}.svg`,
    endpoint(async (c, exchange) => {
      const profile = await stored(c, exchange);
      return { status: 200, headers: svgHeaders, body: heatMap(profile, figureOf(c.req.query("figure"))) };
    }),
  );
}

function measure({ functionsOf, profiles, callBytes }: ProfilesApiOptions): Handler {
  return async (c, exchange) => {
    // What nobody may profile is not to be read whole first.
    ownVersion(functionsOf, c, exchange);
    const text = await readText(c.req.raw, callBytes, exchange);
    // Again: while the body came the name may have become another's.
    const version = ownVersion(functionsOf, c, exchange);
    const asked = parseProfileRequest(text, version);
    const request = { ...asked, name: version.name, version: String(version.version) };
    const work = async (signal: AbortSignal, onProgress: (progress: Progress) => void) =>
      toMeasuredRecord(await profiles.measure(request, signal, onProgress));
    if (!wantsProgress(c.req.raw)) return jsonReply(await work(c.req.raw.signal, () => {}));
    // The device is not to be kept busy for a client that went away.
    const gone = new AbortController();
    return progressReply(
      exchange,
      (onProgress) => work(gone.signal, onProgress),
      () => gone.abort(),
    );
  };
}

/** @throws DawnletError NOT_FOUND, also for what the caller may not see. */
function ownVersion(functionsOf: FunctionsOf, c: Context, exchange: Exchange): FunctionVersion {
  return functionsOf(exchange).version(functionNameOf(c), c.req.query("version"));
}

function figureOf(text = "throughput"): HeatMapQuantity {
  const figure = heatMapQuantities.find((one) => one === text);
  if (figure !== undefined) return figure;
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  const known = heatMapQuantities.join(", ");
  throw new DawnletError("INVALID_ARGUMENT", `Cannot use figure=${shown}: expected ${known}`);
}
