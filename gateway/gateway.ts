/**
 * A gateway put together: store, adapter, child processes, registry, HTTP. What `dawnlet serve` runs and what tests
 * and benchmarks start. Knows no command line.
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../kernels/errors.ts";
import type { FoundAdapter } from "../runtime/adapter/find-adapter.ts";
import { findAdapters } from "../runtime/adapter/find-adapters.ts";
import type { HttpServer, Platform } from "../runtime/platform/platform.ts";
import { Compilers } from "../runtime/supervisor/compilers.ts";
import type { DeviceProcessOptions } from "../runtime/supervisor/device-process-options.ts";
import { SessionProcesses } from "../runtime/supervisor/session-processes.ts";
import { type AppOptions, createApp } from "./app.ts";
import { type AutoscaleOptions, Autoscaler } from "./autoscale/autoscaler.ts";
import type { DeviceSetListener } from "./devices/device-events.ts";
import type { DeviceSet } from "./devices/device-set.ts";
import { hostMemoryBytes } from "./devices/host-memory.ts";
import { Tenancy } from "./devices/tenancy.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { ScheduleLog } from "./dispatch/schedule-log.ts";
import { ownerOf } from "./functions/caller.ts";
import { Registry } from "./functions/registry.ts";
import type { SharedBackends } from "./functions/servable.ts";
import { functionsFor } from "./functions/tenant-functions.ts";
import { HandlerHost } from "./handlers/handler-host.ts";
import { type HandlerLimits, maxHandlerLimits } from "./handlers/limits.ts";
import type { Tenant } from "./http/access.ts";
import { bodyLimits } from "./http/body-limits.ts";
import { defaultLanes, openCpuLanes } from "./open-cpu-lanes.ts";
import { choiceOf, keepAllEstimates, openDevices } from "./open-devices.ts";
import type { LoggedPolicy } from "./scheduler/core/event-log.ts";
import type { SchedulingPolicy } from "./scheduler/core/policy.ts";
import { defaultEviction, type EvictionPolicyName, evictionPolicies } from "./scheduler/eviction/policies.ts";
import { namedPolicy } from "./scheduler/policies/named-policy.ts";
import { defaultScheduling, type SchedulingPolicyName } from "./scheduler/policies/policies.ts";
import { scrubRegularly } from "./store/scrub.ts";
import { openStore } from "./store/store.ts";

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
  /** As `findAdapters` takes them: the gateway has devices on each. */
  readonly adapter?: string | readonly string[];
  /** Device processes on each adapter, which stand in for several GPUs. Left out: one. */
  readonly devices?: number;
  readonly implementation?: "dawn" | "native";
  /** Bytes that each device process may allocate on its GPU. Left out: what there is, in equal parts. */
  readonly deviceBytes?: number;
  /** Bytes of weights that device processes may keep in host memory, in equal parts. Left out: half of the machine's. */
  readonly hostBytes?: number;
  /**
   * ONNX models may run on the CPU as well, where that is answered sooner: a number of CPU lanes, or true for as many as
   * the machine has cores to spare. Left out: only what can be no Program runs there.
   */
  readonly cpu?: boolean | number;
  /** Who leaves the device when room is needed. */
  readonly eviction?: EvictionPolicyName;
  /** Which calls run when, and where. */
  readonly scheduling?: SchedulingPolicyName | SchedulingPolicy;
  /** A file that there is not, for all that the scheduler hears, and the bytes that it may have. */
  readonly scheduleLog?: { readonly path: string; readonly maxBytes?: number };
  /** Keeps weights where calls are expected, and away from where they are not. Left out: calls alone bring them in. */
  readonly autoscale?: AutoscaleOptions | undefined;
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
  readonly adapters: readonly FoundAdapter[];
  /** Where `GatewayOptions.autoscale` is given. */
  readonly autoscaler: Autoscaler | undefined;
  /** Lets running requests finish, ends the child processes, gives the data folder free. */
  close(): Promise<void>;
}

/** Of the host memory that weights may take: what sessions of CPU lanes may. */
const lanesShare = 1 / 4;
/** Calls that may wait for their turn. */
const queueLimit = 1_024;
const log = getLogger(["dawnlet", "gateway"]);
const loopback = new Set(["127.0.0.1", "localhost", "::1"]);

/**
 * @throws DawnletError NO_ADAPTER; UNAVAILABLE (port taken, data folder in use); INVALID_ARGUMENT (no token, a schedule log
 *   that exists).
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { platform, hostname = "127.0.0.1", token, tenants } = options;
  if (!loopback.has(hostname) && token === undefined && tenants === undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot listen on ${hostname} without credentials: set a token, or name tenants, or listen on 127.0.0.1`,
    );
  await using cleanup = new AsyncDisposableStack();
  const store = cleanup.use(await openStore(options.dataFolder, { pid: platform.pid }));
  const adapters = await adaptersFor(options);
  const autoscaler = options.autoscale && new Autoscaler(options.autoscale);
  const scheduleLog = options.scheduleLog && (await ScheduleLog.create(options.scheduleLog));
  // After the dispatcher has stopped.
  if (scheduleLog !== undefined) cleanup.use(scheduleLog);
  const uses = { store, autoscaler, scheduleLog };
  const { devices, lanes, dispatcher } = await startDevices(options, uses, adapters);
  const backends = startBackends(options, { store, devices, lanes, dispatcher }, adapters);
  cleanup.defer(() => devices.stop());
  for (const lane of lanes) cleanup.defer(() => lane.stop());
  // Before the devices, which would be started again for what it lets run.
  cleanup.defer(() => dispatcher.stop());
  cleanup.defer(() => backends.compilers.stop());
  cleanup.defer(() => backends.sessions.stop());
  cleanup.defer(() => backends.handlers.stop());

  const functions = new Registry({ backends, ...(tenants && { tenants }) });
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
  // The devices open while records are read.
  await Promise.all([devices.describe(), functions.open()]);
  cleanup.use(await keepAllEstimates(devices, store.records));
  await logDevices(devices);
  autoscaler?.start({ devices, replicas: dispatcher.replicas, versions: () => functions.devices() });
  cleanup.defer(() => autoscaler?.close());

  const app = createApp({
    functions,
    secrets: functions.secrets,
    profiles: functions.profiles,
    devices: devices.devices,
    lanes,
    scheduler: dispatcher,
    scaling: autoscaler,
    logs: backends.handlers.logs,
    starts: backends.handlers.starts,
    showsStacks: options.showsStacks === true,
    ...(token === undefined ? {} : { token }),
    ...(tenants === undefined ? {} : { tenants }),
    limits: bodyLimits(options.limits, await hostMemoryBytes()),
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
    ...{ adapters, autoscaler },
    close: () => held.disposeAsync(),
  };
}

function adaptersFor({
  platform,
  adapter = [],
  implementation,
}: GatewayOptions): Promise<readonly FoundAdapter[]> {
  const wishes = typeof adapter === "string" ? [adapter] : adapter;
  return findAdapters(platform, { wishes, ...(implementation && { implementation }) });
}

interface DeviceUses extends Pick<SharedBackends, "store"> {
  readonly autoscaler: Autoscaler | undefined;
  readonly scheduleLog: ScheduleLog | undefined;
}

async function startDevices(
  options: GatewayOptions,
  { store, autoscaler, scheduleLog }: DeviceUses,
  adapters: readonly FoundAdapter[],
): Promise<Pick<SharedBackends, "devices" | "lanes" | "dispatcher">> {
  const { platform, devices: perAdapter = 1, eviction = defaultEviction } = options;
  const { silence, deviceBytes } = options;
  const allHostBytes = await hostMemoryBytes();
  const givenBytes = options.hostBytes ?? Math.floor(allHostBytes / 2);
  const laneCount = lanesOf(options);
  const laneBytes = laneCount === 0 ? 0 : Math.floor(givenBytes * lanesShare);
  const hostBytes = givenBytes - laneBytes;
  const listener: Required<Omit<DeviceSetListener, "ran">> = {
    resident: (...told) => dispatcher.resident(...told),
    evicted: (device, program) => dispatcher.evicted(device, program),
    up: (...told) => dispatcher.up(...told),
    down: (...told) => dispatcher.down(...told),
    budget: (...told) => dispatcher.budget(...told),
    pinned: (program) => dispatcher.pinned(program),
    loadMeasured: (...told) => dispatcher.loadMeasured(...told),
  };
  const tenancy = new Tenancy(new Map((options.tenants ?? []).map(({ name, weight = 1 }) => [name, weight])));
  const devices = await openDevices({
    ...{ platform, adapters, perAdapter, deviceBytes, hostBytes, allHostBytes, listener, tenancy },
    blobFolder: join(store.folder, "blobs"),
    policy: evictionPolicies[eviction],
    ...(silence && { silence }),
  });
  const { policy, logged } = policyOf(options);
  const epoch = new Date(performance.timeOrigin).toISOString();
  const lanes = openCpuLanes({
    ...{ platform, listener, count: laneCount, budgetBytes: laneBytes },
    firstIndex: devices.devices.length,
  });
  const calls = autoscaler?.calls;
  const dispatcher = new Dispatcher({
    ...{ devices, lanes, policy, tenancy },
    ...(scheduleLog && { eventLog: { header: { ...logged, epoch }, sink: scheduleLog.sink } }),
    ...(calls && { onCall: (owner, answer) => calls.called(owner, answer) }),
  });
  return { devices, lanes, dispatcher };
}

function lanesOf({ cpu = false }: GatewayOptions): number {
  if (typeof cpu === "number") return cpu;
  return cpu ? defaultLanes() : 0;
}

/** With what a log says of it, by which a replay makes the same one. */
function policyOf({ scheduling = defaultScheduling, eviction }: GatewayOptions): {
  readonly policy: SchedulingPolicy;
  readonly logged: LoggedPolicy;
} {
  if (typeof scheduling !== "string") return { policy: scheduling, logged: { policy: scheduling.name } };
  const logged: LoggedPolicy = {
    policy: scheduling,
    // Its own victims unless somebody has chosen otherwise; then it has the devices' order.
    ...(scheduling === "deadline" && { queueLimit, ...(eviction && { eviction }) }),
  };
  return { policy: namedPolicy(logged), logged };
}

async function logDevices({ devices }: DeviceSet): Promise<void> {
  for (const device of devices) {
    const description = await device.describe().catch(() => undefined);
    if (description === undefined) {
      log.error("{id} did not start: calls run on the other devices", { id: device.id });
      continue;
    }
    const { device: name, description: driver, isSoftware } = description.adapter;
    log.info("{id} is {name} ({driver})", { id: device.id, name, driver });
    if (isSoftware) log.warn("this adapter is software: results are right, but nothing here is fast");
  }
}

function startBackends(
  { platform, handlerLimits, allowPrivateHosts = false }: GatewayOptions,
  { store, devices, lanes, dispatcher }: Pick<SharedBackends, "store" | "devices" | "lanes" | "dispatcher">,
  adapters: readonly FoundAdapter[],
): SharedBackends {
  const lineLogger = (category: string) => {
    const childLog = getLogger(["dawnlet", category]);
    return (line: string) => childLog.info("{line}", { line });
  };
  const handlers = new HandlerHost({
    platform,
    devices,
    maxima: { ...maxHandlerLimits, ...handlerLimits },
    allowPrivateHosts,
  });
  const isGpu = (one: FoundAdapter) => !one.description.adapter.isSoftware;
  const adapter = adapters.find(isGpu) ?? adapters[0]!;
  const compilers = new Compilers({
    platform,
    environment: adapter.environment,
    adapter: choiceOf(adapter),
    ...(adapters.length > 1 && { most: () => devices.describe() }),
    onLine: lineLogger("compiler"),
  });
  const sessions = new SessionProcesses({ platform, onLine: lineLogger("session") });
  return { store, devices, lanes, dispatcher, handlers, compilers, sessions };
}
