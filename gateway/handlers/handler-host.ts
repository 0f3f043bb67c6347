/** What all handlers of a gateway share: processes that wait, the watch over limits, the devices, other functions. */
import type { Platform } from "../../runtime/platform/platform.ts";
import type { DeviceSet } from "../devices/device-set.ts";
import type { Functions } from "../functions/functions.ts";
import { FunctionLogs } from "./function-logs.ts";
import { InstanceStarts } from "./instance-starts.ts";
import { sealedScript } from "./isolate-script.ts";
import { LimitWatch } from "./limit-watch.ts";
import { defaultHandlerLimits, type HandlerLimits } from "./limits.ts";
import { ProvidedModels } from "./provided-models.ts";
import { SpareIsolates } from "./spare-isolates.ts";

export interface HandlerHostOptions {
  readonly platform: Platform;
  readonly devices: DeviceSet;
  /** Most that a manifest may ask for. */
  readonly maxima: HandlerLimits;
  /** Handlers may reach addresses of private networks. */
  readonly allowPrivateHosts: boolean;
  /** Processes that wait for a handler, once there is one. */
  readonly spares?: number;
}

/** What is known of functions once they have been read. */
export interface FunctionLookup {
  /** @param tenant whose functions; undefined: the operator's. */
  functionsOf(tenant: string | undefined): Functions;
  /** Of a function, by its name and whose it is. */
  secretsOf(name: string, tenant: string | undefined): Promise<ReadonlyMap<string, string>>;
}

export class HandlerHost {
  readonly platform: Platform;
  readonly devices: DeviceSet;
  readonly maxima: HandlerLimits;
  readonly allowPrivateHosts: boolean;
  readonly spares: SpareIsolates;
  readonly watch = new LimitWatch();
  readonly models = new ProvidedModels();
  /** Of all functions. */
  readonly starts = new InstanceStarts();
  /** What handlers have logged. */
  readonly logs = new FunctionLogs();
  #lookup: FunctionLookup | undefined;

  constructor({ platform, devices, maxima, allowPrivateHosts, spares = 1 }: HandlerHostOptions) {
    this.platform = platform;
    this.devices = devices;
    this.maxima = maxima;
    this.allowPrivateHosts = allowPrivateHosts;
    const heapBytes = Math.min(defaultHandlerLimits.memoryBytes, maxima.memoryBytes);
    const script = () => sealedScript(platform);
    this.spares = new SpareIsolates({ platform, heapBytes, count: spares, script });
  }

  /** To be called before the first handler starts. */
  connect(lookup: FunctionLookup): void {
    this.#lookup = lookup;
  }

  get lookup(): FunctionLookup {
    if (this.#lookup === undefined) throw new TypeError("No functions are connected");
    return this.#lookup;
  }

  stop(): void {
    this.spares.stop();
    this.watch.stop();
  }
}
