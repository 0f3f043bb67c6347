/**
 * A whole gateway for a test: its own data folder, any free port, real device, compiler and session processes on the
 * adapter of this machine. Notes which processes it starts.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { platform } from "#platform";
import { type Gateway, type GatewayOptions, openGateway } from "../../gateway/gateway.ts";
import type { Platform, ProcessOptions } from "../../runtime/platform/platform.ts";
import { Client } from "./client.ts";

export interface RunningGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly client: Client;
  /** Kinds of the child processes started so far, in order: `device`, `compiler`, `session`. */
  readonly started: readonly string[];
  close(): Promise<void>;
}

export interface RunningGatewayOptions
  extends Partial<Pick<GatewayOptions, "limits" | "deviceBytes" | "silence" | "token">> {
  /** Changes what a child process is started with. @param kind as in `RunningGateway.started`. */
  readonly spawning?: (kind: string, options: ProcessOptions) => ProcessOptions;
}

/** @param dataFolder outlives the gateway: a test of restarts opens it again. */
export async function startGateway(
  dataFolder: string,
  { spawning = (_, processOptions) => processOptions, ...options }: RunningGatewayOptions = {},
): Promise<RunningGateway> {
  const started: string[] = [];
  const watched: Platform = {
    ...platform,
    spawnProcess: (entry, processOptions = {}) => {
      const kind = basename(dirname(fileURLToPath(entry)));
      started.push(kind);
      return platform.spawnProcess(entry, spawning(kind, processOptions));
    },
  };
  const gateway = await openGateway({ platform: watched, dataFolder, port: 0, ...options });
  const close = () => gateway.close();
  return { gateway, client: new Client(gateway.url), started, close, [Symbol.asyncDispose]: close };
}

/** An empty folder that goes away with the test. */
export async function dataFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "dawnlet-e2e-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Names of the blobs that a data folder holds: what is shared is there once. */
export async function storedBlobs(folder: string): Promise<readonly string[]> {
  const files = await readdir(join(folder, "blobs"), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).map((file) => file.name);
}
