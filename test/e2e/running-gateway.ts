/**
 * A whole gateway for tests: its own data folder, any free port, real device, compiler and session processes on the
 * adapter of this machine. Notes which processes it starts. Most files let `gatewayFor` open and close it.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { platform } from "#platform";
import { type Gateway, type GatewayOptions, openGateway } from "../../gateway/gateway.ts";
import type { ChildProcess, Platform, ProcessOptions } from "../../runtime/platform/platform.ts";
import { Client } from "./client.ts";

export interface RunningGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly client: Client;
  /** Kinds of the child processes started so far, in order: `device`, `compiler`, `session`. */
  readonly started: readonly string[];
  close(): Promise<void>;
}

export interface RunningGatewayOptions
  extends Partial<
    Pick<
      GatewayOptions,
      | "limits"
      | "adapter"
      | "devices"
      | "cpu"
      | "scheduling"
      | "scheduleLog"
      | "autoscale"
      | "deviceBytes"
      | "silence"
      | "token"
      | "tenants"
      | "handlerLimits"
      | "allowPrivateHosts"
    >
  > {
  /** Changes what a child process is started with. @param kind as in `RunningGateway.started`. */
  readonly spawning?: (kind: string, options: ProcessOptions) => ProcessOptions;
  /** Gets each child process once it is there. */
  readonly onChild?: (kind: string, child: ChildProcess) => void;
}

/** @param dataFolder outlives the gateway: a test of restarts opens it again. */
export async function startGateway(
  dataFolder: string,
  { spawning = (_, processOptions) => processOptions, onChild, ...options }: RunningGatewayOptions = {},
): Promise<RunningGateway> {
  const started: string[] = [];
  const watched: Platform = {
    ...platform,
    spawnProcess: async (entry, processOptions = {}) => {
      const kind = basename(dirname(fileURLToPath(entry)));
      started.push(kind);
      const child = await platform.spawnProcess(entry, spawning(kind, processOptions));
      onChild?.(kind, child);
      return child;
    },
  };
  const gateway = await openGateway({ platform: watched, dataFolder, port: 0, ...options });
  const close = () => gateway.close();
  return { gateway, client: new Client(gateway.url), started, close, [Symbol.asyncDispose]: close };
}

/** The gateway that is running for the test; another one after a restart. */
export interface TestGateway extends Pick<RunningGateway, "gateway" | "client" | "started"> {
  /** Path of its data folder. */
  readonly folder: string;
  /** Opens the data folder again. @param changed in place of what the first one was started with. */
  restart(changed?: RunningGatewayOptions): Promise<void>;
}

/**
 * Opens a gateway on an empty data folder before each test, or once before all tests, of the file or block that calls
 * it, and closes and deletes them afterwards.
 */
export function gatewayFor(
  which: "each test" | "all tests",
  options: RunningGatewayOptions = {},
): TestGateway {
  const [before, after] = which === "each test" ? [beforeEach, afterEach] : [beforeAll, afterAll];
  let folder: DataFolder | undefined;
  let running: RunningGateway | undefined;
  before(async () => {
    folder = await dataFolder();
    running = await startGateway(folder.path, options);
  });
  after(async () => {
    await running?.close();
    await folder?.[Symbol.asyncDispose]();
    running = folder = undefined;
  });
  const now = <T>(what: T | undefined): T => {
    if (what === undefined) throw new TypeError("Cannot use the gateway as no test is running");
    return what;
  };
  return {
    get gateway() {
      return now(running).gateway;
    },
    get client() {
      return now(running).client;
    },
    get started() {
      return now(running).started;
    },
    get folder() {
      return now(folder).path;
    },
    async restart(changed = {}) {
      await now(running).close();
      running = await startGateway(now(folder).path, { ...options, ...changed });
    },
  };
}

interface DataFolder extends AsyncDisposable {
  readonly path: string;
}

/** An empty folder that goes away with the test. */
export async function dataFolder(): Promise<DataFolder> {
  const path = await mkdtemp(join(tmpdir(), "dawnlet-e2e-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Names of the blobs that a data folder holds: what is shared is there once. */
export async function storedBlobs(folder: string): Promise<readonly string[]> {
  const files = await readdir(join(folder, "blobs"), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).map((file) => file.name);
}
