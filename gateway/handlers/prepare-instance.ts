/** What an instance of a handler needs to start: its `env`, and what stands behind it. */
import { DawnletError } from "../../kernels/errors.ts";
import type { UsableFunction } from "../../runtime/isolate/protocol.ts";
import { defaultTimeLimitMs, timeLimitFor } from "../../runtime/supervisor/time-limit.ts";
import { HeldTensors } from "../devices/held-tensors.ts";
import type { Functions } from "../functions/functions.ts";
import type { Backends } from "../functions/servable.ts";
import { DeviceSessions } from "./device-sessions.ts";
import type { HandlerVersion } from "./handler-function.ts";
import type { InstanceOptions } from "./handler-instance.ts";
import { HandlerServices, usable } from "./handler-services.ts";
import type { HandlerLimits } from "./limits.ts";
import { Outbound } from "./outbound.ts";
import { remoteAdapter } from "./remote-adapter.ts";

/** Files of ONNX Runtime that its module fetches. */
const assetName = /^ort-wasm-[\w.-]+\.wasm$/;

let instances = 0;

/**
 * @param isTrial nothing is called yet: what is missing is left out.
 * @throws DawnletError UNAVAILABLE where a function or a secret is missing.
 */
export async function prepareInstance(
  backends: Backends,
  version: HandlerVersion,
  limits: HandlerLimits,
  isTrial: boolean,
): Promise<Pick<InstanceOptions, "params" | "services">> {
  const { name, number, record, source } = version;
  const { handlers, store } = backends;
  const functions = handlers.lookup.functionsOf(record.tenant);
  const params = {
    function: { name, version: number },
    entry: source.entry,
    uses: usedFunctions(name, source.uses, functions, isTrial),
    variables: { ...source.variables, ...(await secrets(backends, version, isTrial)) },
  };
  const subject = `function '${name}' version ${number}`;
  const group = `${name}:${number}:${++instances}`;
  return {
    params,
    services: (end) =>
      new HandlerServices({
        name,
        memoryBytes: limits.memoryBytes,
        functions,
        uses: source.uses,
        held: new HeldTensors({ device: handlers.devices, budgetBytes: limits.gpuBytes }),
        devices: new DeviceSessions({
          ...{ name, subject, group, end },
          budgetBytes: limits.gpuBytes,
          gpuShare: limits.gpuShare,
          timeLimitMs: timeLimitFor({
            statedMs: Math.min(limits.timeoutMs, defaultTimeLimitMs),
            mostMs: backends.device.owner.maxTimeLimitMs,
          }),
          adapter: async () => remoteAdapter(await handlers.devices.describe(), limits.gpuBytes),
          open: (options) => handlers.devices.openSession(options),
        }),
        deployModel: (bytes) => handlers.models.deployed(bytes, functions, record.tenant),
        outbound: new Outbound(handlers.platform, {
          hosts: source.hosts,
          allowPrivate: handlers.allowPrivateHosts,
        }),
        readFile: async (path) => {
          const digest = Object.hasOwn(source.files, path) ? source.files[path] : undefined;
          if (digest !== undefined) return store.blobs.read(digest);
          throw new DawnletError(
            "NOT_FOUND",
            `There is no file '${path}' in the bundle of function '${name}'`,
          );
        },
        readAsset: async (asset) => {
          const folder = assetName.test(asset)
            ? handlers.platform.files.packageFolder("onnxruntime-web")
            : undefined;
          const bytes = folder && (await handlers.platform.files.read(`${folder}/dist/${asset}`));
          if (bytes) return bytes;
          throw new DawnletError("NOT_FOUND", `There is no asset '${asset}'`);
        },
        end,
      }),
  };
}

function usedFunctions(
  name: string,
  uses: HandlerVersion["source"]["uses"],
  functions: Functions,
  isTrial: boolean,
): Record<string, UsableFunction> {
  const used: Record<string, UsableFunction> = {};
  for (const [key, { name: other, version }] of Object.entries(uses)) {
    try {
      used[key] = usable(functions.version(other, version));
    } catch (error) {
      if (!(error instanceof DawnletError) || error.code !== "NOT_FOUND") throw error;
      if (isTrial) continue;
      throw new DawnletError(
        "UNAVAILABLE",
        `Cannot start function '${name}' as it uses '${other}' as env.${key}: ${error.message}. Deploy it first`,
      );
    }
  }
  return used;
}

async function secrets(
  { handlers }: Backends,
  { name, record, source }: HandlerVersion,
  isTrial: boolean,
): Promise<Record<string, string>> {
  if (source.secrets.length === 0) return {};
  const known = await handlers.lookup.secretsOf(name, record.tenant);
  const given: Record<string, string> = {};
  for (const key of source.secrets) {
    const value = known.get(key);
    if (value !== undefined) given[key] = value;
    else if (!isTrial)
      throw new DawnletError(
        "UNAVAILABLE",
        `Cannot start function '${name}' as its secret '${key}' is not set: dawnlet secret set ${name} ${key}`,
      );
  }
  return given;
}
