/** Node 24 and later. What it shares with Deno is in the posix files. */
import { flushCompileCache } from "node:module";
import process from "node:process";
import { setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";
import { DawnletError } from "../../kernels/errors.ts";
import { compileCache } from "./compile-cache.ts";
import { serveNodeHttp } from "./node-http.ts";
import { nodeSockets } from "./node-sockets.ts";
import type { Platform, Sealing } from "./platform.ts";
import { readBlob } from "./posix-blobs.ts";
import { posixFiles } from "./posix-files.ts";
import { openDawn } from "./posix-gpu.ts";
import { ownModules } from "./posix-modules.ts";
import { paceEventLoop } from "./posix-pace.ts";
import { connectToParent } from "./posix-parent.ts";
import { processUsage } from "./posix-usage.ts";
import { parentMessagePort, spawnThread, threadPort } from "./posix-worker.ts";

/** Modules that do not ask the permission model: SQLite reads and writes any file. Flags that this Node has not are left out. */
const withoutModules = ["--no-experimental-sqlite", "--no-experimental-ffi"];

/**
 * Node's permission model, and what it leaves open. Not `--allow-worker`: a thread may be started without the flags that
 * its process has, and then may do everything.
 * @throws DawnletError UNSUPPORTED
 */
function sealingArgs({ readable, script }: Sealing): readonly string[] {
  if (!process.allowedNodeEnvironmentFlags.has("--allow-net"))
    throw new DawnletError(
      "UNSUPPORTED",
      "Cannot start a sealed process as this Node cannot deny it the network: use Node 25 or later",
    );
  const strange = readable.find((path) => path.includes("*"));
  if (strange !== undefined)
    throw new DawnletError(
      "UNSUPPORTED",
      `Cannot start a sealed process that may read '${strange}': no asterisks`,
    );
  const permission = [
    "--permission",
    ...withoutModules.filter((flag) => process.allowedNodeEnvironmentFlags.has(flag)),
    ...readable.map((path) => `--allow-fs-read=${path}`),
  ];
  if (script !== undefined) return permission;
  return [
    ...permission,
    ...ownModules().map((path) => `--allow-fs-read=${path}`),
    `--import=${sealModule.href}`,
  ];
}

const sealModule = new URL("./node-seal.ts", import.meta.url);

export const platform: Platform = {
  runtime: "node",
  sealModule,
  pid: process.pid,
  system: { name: process.platform, architecture: process.arch },

  async openGpu(options = {}) {
    if (options.implementation !== "native") return openDawn(options);
    throw new DawnletError(
      "UNSUPPORTED",
      "Cannot open Node's own WebGPU as it has none: use Dawn, or run with Deno",
    );
  },

  async gpuMemories() {
    // Lazy: only a gateway asks.
    const { gpuMemories } = await import("./posix-gpu-memory.ts");
    return gpuMemories();
  },

  async spawnProcess(entry, options = {}) {
    // Lazy: most processes of ours start none.
    const { heapFlag, spawnChild } = await import("./posix-process.ts");
    const { sealed, runtimeArgs = [], heapBytes } = options;
    const heap = heapBytes === undefined ? [] : [heapFlag(heapBytes)];
    const program = sealed?.script === undefined ? [fileURLToPath(entry)] : ["--input-type=module", "-"];
    const entryArgs = [...heap, ...runtimeArgs, ...program];
    if (sealed !== undefined) {
      const args = [...sealingArgs(sealed), ...entryArgs];
      return spawnChild({ program: process.execPath, args: () => args }, options);
    }
    const environment = { NODE_COMPILE_CACHE: compileCache(), ...options.environment };
    const command = { program: process.execPath, args: () => entryArgs, sockets: nodeSockets };
    return spawnChild(command, { ...options, environment });
  },

  spawnWorker: (entry, options = {}) => spawnThread(entry, options),

  async connectParent({ mayBlock } = {}) {
    const port = threadPort();
    if (port) return port;
    // Written at an orderly exit otherwise, which a killed process does not have.
    setTimeout(flushCompileCache, 2000).unref();
    return connectToParent(nodeSockets, mayBlock);
  },

  parentMessagePort,
  readBlob,

  async openHttpClient(options) {
    // Lazy: only a gateway asks other servers.
    const { openHttpClient } = await import("./posix-http-client.ts");
    return openHttpClient(options);
  },

  processUsage,
  pace: paceEventLoop,
  serveHttp: serveNodeHttp,
  files: posixFiles,
  environment: (name) => process.env[name],
  exit: (code) => process.exit(code),

  onUncaught(listener) {
    // Rejections that nobody handles come this way too.
    process.on("uncaughtException", listener);
  },

  onTerminate(listener) {
    process.on("SIGINT", listener);
    process.on("SIGTERM", listener);
  },
};
