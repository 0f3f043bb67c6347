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
import { DeviceProcess } from "../runtime/supervisor/device-process.ts";
import { SessionProcesses } from "../runtime/supervisor/session-processes.ts";
import { type AppOptions, createApp } from "./app.ts";
import { Registry } from "./functions/registry.ts";
import type { Backends } from "./functions/servable.ts";
import { openStore } from "./store/store.ts";

export interface GatewayOptions {
  readonly platform: Platform;
  readonly dataFolder: string;
  /** Addresses other than loopback ones need a token. */
  readonly hostname?: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly token?: string;
  /** As `findAdapter` takes it. */
  readonly adapter?: string;
  readonly implementation?: "dawn" | "native";
  /** Bytes that the device process may allocate on the GPU. */
  readonly deviceBytes?: number;
  readonly limits?: AppOptions["limits"];
}

export interface Gateway {
  readonly url: string;
  readonly functions: Registry;
  readonly backends: Backends;
  readonly adapter: FoundAdapter;
  /** Lets running requests finish, ends the child processes, gives the data folder free. */
  close(): Promise<void>;
}

const defaultDeviceBytes = 4 * 2 ** 30;
const log = getLogger(["dawnlet", "gateway"]);
const loopback = new Set(["127.0.0.1", "localhost", "::1"]);

/** @throws DawnletError NO_ADAPTER, UNAVAILABLE (port taken, data folder in use), INVALID_ARGUMENT (no token). */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { platform, hostname = "127.0.0.1", token } = options;
  if (!loopback.has(hostname) && token === undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot listen on ${hostname} without credentials: set a token, or listen on 127.0.0.1`,
    );
  await using cleanup = new AsyncDisposableStack();
  const store = cleanup.use(await openStore(options.dataFolder, { pid: platform.pid }));
  const { implementation } = options;
  const adapter = await findAdapter(platform, { wish: options.adapter, implementation });
  const backends = startBackends(options, store, adapter);
  cleanup.defer(() => backends.device.stop());
  cleanup.defer(() => backends.compiler.stop());
  cleanup.defer(() => backends.sessions.stop());

  const functions = new Registry({ backends });
  // The device opens while records are read.
  const [description] = await Promise.all([backends.device.describe(), functions.open()]);
  const { device, description: driver, isSoftware } = description.adapter;
  log.info("device {device} ({driver}) from {source}", { device, driver, source: adapter.name });
  if (isSoftware) log.warn("this adapter is software: results are right, but nothing here is fast");

  const app = createApp({
    functions,
    memory: () => backends.device.memory(),
    ...(token === undefined ? {} : { token }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const server: HttpServer = await platform.serveHttp((request) => app.fetch(request), {
    hostname,
    port: options.port,
  });
  cleanup.defer(() => server.close());
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

function startBackends(
  { platform, deviceBytes = defaultDeviceBytes }: GatewayOptions,
  store: Backends["store"],
  { environment, gpuOptions, description }: FoundAdapter,
): Backends {
  const { implementation, backend } = gpuOptions;
  const choice: AdapterChoice = { implementation, backend, isSoftware: description.adapter.isSoftware };
  const lineLogger = (category: string) => {
    const childLog = getLogger(["dawnlet", category]);
    return (line: string) => childLog.info("{line}", { line });
  };
  return {
    store,
    device: new DeviceProcess({
      platform,
      environment,
      open: {
        ...choice,
        budgetBytes: deviceBytes,
        blobFolder: join(store.folder, "blobs"),
      },
      onLine: lineLogger("device"),
      onExit: (wasWanted) => {
        if (!wasWanted) log.error("the device process ended; the next call starts another");
      },
    }),
    compiler: new CompilerProcess({ platform, environment, adapter: choice, onLine: lineLogger("compiler") }),
    sessions: new SessionProcesses({ platform, onLine: lineLogger("session") }),
  };
}
