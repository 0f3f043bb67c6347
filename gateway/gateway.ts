/**
 * A gateway put together: store, adapter, child processes, registry, HTTP. What `dawnlet serve` runs and what tests
 * and benchmarks start. Knows no command line.
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../kernels/errors.ts";
import { type FoundAdapter, findAdapter } from "../runtime/adapter/find-adapter.ts";
import type { AdapterChoice } from "../runtime/device/open.ts";
import type { HttpServer, Platform } from "../runtime/platform/platform.ts";
import { CompilerProcess } from "../runtime/supervisor/compiler-process.ts";
import { DeviceProcess, type DeviceProcessOptions } from "../runtime/supervisor/device-process.ts";
import { SessionProcesses } from "../runtime/supervisor/session-processes.ts";
import { type AppOptions, createApp } from "./app.ts";
import { defaultDeviceMemory } from "./devices/device-memory.ts";
import { keepEstimates } from "./devices/estimate-records.ts";
import { hostMemoryBytes } from "./devices/host-memory.ts";
import { ManagedDevice } from "./devices/managed-device.ts";
import { ownerOf } from "./functions/caller.ts";
import { Registry } from "./functions/registry.ts";
import type { SharedBackends } from "./functions/servable.ts";
import { functionsFor } from "./functions/tenant-functions.ts";
import { HandlerHost } from "./handlers/handler-host.ts";
import { type HandlerLimits, maxHandlerLimits } from "./handlers/limits.ts";
import type { Tenant } from "./http/access.ts";
import { logIncident } from "./incident-log.ts";
import { type EvictionPolicyName, evictionPolicies } from "./scheduler/eviction/policies.ts";
import { scrubRegularly } from "./store/scrub.ts";
import { openStore } from "./store/store.ts";
import { formatBytes } from "./text.ts";

export interface GatewayOptions {
  readonly platform: Platform;
  readonly dataFolder: string;
  /** Addresses other than loopback ones need a token. */
  readonly hostname?: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** The operator's. */
  readonly token?: string;
  /** Parties that share the gateway, each with functions of its own. */
  readonly tenants?: readonly Tenant[];
  /** As `findAdapter` takes it. */
  readonly adapter?: string;
  readonly implementation?: "dawn" | "native";
  /** Bytes that the device process may allocate on the GPU. */
  readonly deviceBytes?: number;
  /** Bytes of weights that the device process may keep in host memory. Left out: half of the machine's. */
  readonly hostBytes?: number;
  /** Who leaves the device when room is needed. */
  readonly eviction?: EvictionPolicyName;
  /** When a device process that does not answer is given up. */
  readonly silence?: DeviceProcessOptions["silence"];
  readonly limits?: AppOptions["limits"];
  /** Most that manifests of handlers may ask for. */
  readonly handlerLimits?: Partial<HandlerLimits>;
  /** Handlers may reach private addresses among the hosts that they name. */
  readonly allowPrivateHosts?: boolean;
  /** As `AppOptions.showsStacks`. */
  readonly showsStacks?: boolean;
}

export interface Gateway {
  readonly url: string;
  readonly functions: Registry;
  readonly backends: SharedBackends;
  readonly adapter: FoundAdapter;
  /** Lets running requests finish, ends the child processes, gives the data folder free. */
  close(): Promise<void>;
}

export const defaultEviction: EvictionPolicyName = "cost";
const log = getLogger(["dawnlet", "gateway"]);
const loopback = new Set(["127.0.0.1", "localhost", "::1"]);

/** @throws DawnletError NO_ADAPTER, UNAVAILABLE (port taken, data folder in use), INVALID_ARGUMENT (no token). */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { platform, hostname = "127.0.0.1", token, tenants } = options;
  if (!loopback.has(hostname) && token === undefined && tenants === undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot listen on ${hostname} without credentials: set a token, or name tenants, or listen on 127.0.0.1`,
    );
  await using cleanup = new AsyncDisposableStack();
  const store = cleanup.use(await openStore(options.dataFolder, { pid: platform.pid }));
  const { implementation } = options;
  const adapter = await findAdapter(platform, { wish: options.adapter, implementation });
  const allBytes = await hostMemoryBytes();
  const hostBytes = options.hostBytes ?? Math.floor(allBytes / 2);
  const deviceBytes = options.deviceBytes ?? (await deviceMemory(platform, adapter, allBytes));
  const backends = startBackends({ ...options, hostBytes, deviceBytes }, store, adapter);
  cleanup.defer(() => backends.device.stop());
  cleanup.defer(() => backends.compiler.stop());
  cleanup.defer(() => backends.sessions.stop());
  cleanup.defer(() => backends.handlers.stop());

  const functions = new Registry({ backends });
  backends.handlers.connect({
    functionsOf: (tenant) => functionsFor(functions, ownerOf({ ...(tenant !== undefined && { tenant }) })),
    secretsOf: (name, tenant) => functions.secrets.of(name, tenant),
  });
  cleanup.use(
    scrubRegularly({
      store,
      isBusy: () => functions.isBusy,
      onChecked: (digest, isIntact) => functions.noteChecked(digest, isIntact),
    }),
  );
  // The device opens while records are read.
  const [description] = await Promise.all([backends.device.describe(), functions.open()]);
  const { estimates } = backends.device;
  cleanup.use(await keepEstimates({ records: store.records, estimates, adapter: description.adapter }));
  const { device, description: driver, isSoftware } = description.adapter;
  log.info("device {device} ({driver}) from {source}", { device, driver, source: adapter.name });
  if (isSoftware) log.warn("this adapter is software: results are right, but nothing here is fast");

  const app = createApp({
    functions,
    secrets: functions.secrets,
    memory: () => backends.device.memory(),
    device: backends.device,
    logs: backends.handlers.logs,
    starts: backends.handlers.starts,
    showsStacks: options.showsStacks === true,
    ...(token === undefined ? {} : { token }),
    ...(tenants === undefined ? {} : { tenants }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const server: HttpServer = await platform.serveHttp((request) => app.fetch(request), {
    hostname,
    port: options.port,
  });
  cleanup.defer(() => server.close());
  cleanup.defer(() => backends.handlers.logs.close());
  // Not waited for: calls that come first load what they need.
  void functions.warm();
  const held = cleanup.move();
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${host}:${server.port}`,
    functions,
    backends,
    adapter,
    close: () => held.disposeAsync(),
  };
}

async function deviceMemory(
  platform: Platform,
  { description }: FoundAdapter,
  hostBytes: number,
): Promise<number> {
  const gpus = description.adapter.isSoftware ? [] : await platform.gpuMemories();
  const { bytes, from } = defaultDeviceMemory(description.adapter, hostBytes, gpus);
  log.info("device memory: at most {size}, {from}", { size: formatBytes(bytes), from });
  return bytes;
}

type BackendOptions = GatewayOptions & Required<Pick<GatewayOptions, "hostBytes" | "deviceBytes">>;

function startBackends(
  {
    platform,
    deviceBytes,
    hostBytes,
    silence,
    eviction = defaultEviction,
    handlerLimits,
    allowPrivateHosts = false,
  }: BackendOptions,
  store: SharedBackends["store"],
  { environment, gpuOptions, description }: FoundAdapter,
): SharedBackends {
  const { implementation, backend } = gpuOptions;
  const choice: AdapterChoice = { implementation, backend, isSoftware: description.adapter.isSoftware };
  const lineLogger = (category: string) => {
    const childLog = getLogger(["dawnlet", category]);
    return (line: string) => childLog.info("{line}", { line });
  };
  const process = new DeviceProcess({
    platform,
    environment,
    open: {
      ...choice,
      budgetBytes: deviceBytes,
      hostBudgetBytes: hostBytes,
      blobFolder: join(store.folder, "blobs"),
    },
    onLine: lineLogger("device"),
    onIncident: logIncident,
    onExit: () => device.restarted(),
    onUsage: (usage) => device.sessionsUse(usage),
    ...(silence && { silence }),
  });
  const device = new ManagedDevice({ device: process, deviceBytes, policy: evictionPolicies[eviction] });
  const handlers = new HandlerHost({
    platform,
    device,
    maxima: { ...maxHandlerLimits, ...handlerLimits },
    allowPrivateHosts,
  });
  return {
    store,
    device,
    handlers,
    compiler: new CompilerProcess({ platform, environment, adapter: choice, onLine: lineLogger("compiler") }),
    sessions: new SessionProcesses({ platform, onLine: lineLogger("session") }),
  };
}
