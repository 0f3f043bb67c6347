/** Deno 2. What it shares with Node is in the posix files; Deno implements the node modules that they name. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DawnletError } from "../../kernels/errors.ts";
import { serveDenoHttp } from "./deno-http.ts";
import { denoSockets } from "./deno-sockets.ts";
import { nodeSockets } from "./node-sockets.ts";
import type { OpenGpu, Platform, ProcessOptions, Sealing } from "./platform.ts";
import { readBlob } from "./posix-blobs.ts";
import { posixFiles } from "./posix-files.ts";
import { openDawn } from "./posix-gpu.ts";
import { ownModules } from "./posix-modules.ts";
import { paceEventLoop } from "./posix-pace.ts";
import { connectToParent, inheritedVariable, pathVariable, tokenVariable } from "./posix-parent.ts";
import { processUsage } from "./posix-usage.ts";
import { parentMessagePort, spawnThread, threadPort } from "./posix-worker.ts";

/** What is used of Deno's own. */
declare const Deno: { execPath(): string };

/** Named pipes are node:net's. */
const sockets = process.platform === "win32" ? nodeSockets : denoSockets;

export const platform: Platform = {
  runtime: "deno",
  pid: process.pid,
  system: { name: process.platform, architecture: process.arch },

  async openGpu(options = {}) {
    return options.implementation === "native" ? openNative() : openDawn(options);
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
    const args = (linkPath: string | undefined) => [
      "run",
      ...(sealed === undefined ? ["--allow-all"] : sealingArgs(sealed, options, linkPath!)),
      // No lock file is written beside the project, and nothing is asked on the terminal.
      ...["--quiet", "--no-lock", "--no-prompt"],
      ...(heapBytes === undefined ? [] : [`--v8-flags=${heapFlag(heapBytes)}`]),
      ...runtimeArgs,
      ...(sealed?.script === undefined ? [fileURLToPath(entry)] : ["--ext=js", "-"]),
    ];
    return spawnChild({ program: Deno.execPath(), args, sockets }, options);
  },

  spawnWorker: (entry, options = {}) => spawnThread(entry, options),
  connectParent: async ({ mayBlock } = {}) => threadPort() ?? connectToParent(sockets, mayBlock),
  parentMessagePort,
  readBlob,

  async openHttpClient(options) {
    // Lazy: only a gateway asks other servers.
    const { openHttpClient } = await import("./posix-http-client.ts");
    return openHttpClient(options);
  },

  processUsage,
  pace: paceEventLoop,
  serveHttp: serveDenoHttp,
  files: posixFiles,
  environment: (name) => process.env[name],
  exit: (code) => process.exit(code),

  onUncaught(listener) {
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      listener(event.error);
    });
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      listener(event.reason);
    });
  },

  onTerminate(listener) {
    process.on("SIGINT", listener);
    process.on("SIGTERM", listener);
  },
};

/** Reading what is named, and connecting once to the parent, whose socket is gone by then. */
function sealingArgs(
  { readable, script }: Sealing,
  { environment = {} }: ProcessOptions,
  linkPath: string,
): readonly string[] {
  const variables = [pathVariable, tokenVariable, inheritedVariable, ...Object.keys(environment)];
  const paths = [...(script === undefined ? ownModules() : []), ...readable, linkPath];
  const strange = [...readable, linkPath].find((path) => path.includes(","));
  if (strange !== undefined)
    throw new DawnletError(
      "UNSUPPORTED",
      `Cannot start a sealed process that may read '${strange}': no commas`,
    );
  return [
    // Modules of the network: an import would be a way out.
    ...["--no-remote", "--cached-only"],
    `--allow-read=${paths.join(",")}`,
    `--allow-write=${linkPath}`,
    `--allow-net=unix:${linkPath}`,
    `--allow-env=${variables.join(",")}`,
  ];
}

function openNative(): OpenGpu {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu)
    throw new DawnletError("NO_ADAPTER", "Cannot open Deno's own WebGPU as this Deno has none: use Dawn");
  return { gpu, implementation: "wgpu", close: () => {} };
}
