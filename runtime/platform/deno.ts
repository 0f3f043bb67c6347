/** Deno 2. What it shares with Node is in the posix files; Deno implements the node modules that they name. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DawnletError } from "../../kernels/errors.ts";
import { serveDenoHttp } from "./deno-http.ts";
import type { OpenGpu, Platform } from "./platform.ts";
import { readBlob } from "./posix-blobs.ts";
import { posixFiles } from "./posix-files.ts";
import { openDawn } from "./posix-gpu.ts";
import { paceEventLoop } from "./posix-pace.ts";
import { connectToParent } from "./posix-parent.ts";
import { parentMessagePort, spawnThread, threadPort } from "./posix-worker.ts";

/** What is used of Deno's own. */
declare const Deno: { execPath(): string };

export const platform: Platform = {
  runtime: "deno",
  pid: process.pid,
  system: { name: process.platform, architecture: process.arch },

  async openGpu(options = {}) {
    return options.implementation === "native" ? openNative() : openDawn(options);
  },

  async spawnProcess(entry, options = {}) {
    // Lazy: most processes of ours start none.
    const { spawnChild } = await import("./posix-process.ts");
    // No lock file is written beside the project, and nothing is asked on the terminal.
    const run = ["run", "--allow-all", "--quiet", "--no-lock", "--no-prompt"];
    const args = [...run, ...(options.runtimeArgs ?? []), fileURLToPath(entry)];
    return spawnChild({ program: Deno.execPath(), args }, options);
  },

  spawnWorker: (entry, options = {}) => spawnThread(entry, options),
  connectParent: async () => threadPort() ?? connectToParent(),
  parentMessagePort,
  readBlob,
  pace: paceEventLoop,
  serveHttp: serveDenoHttp,
  files: posixFiles,
  environment: (name) => process.env[name],
  exit: (code) => process.exit(code),

  onTerminate(listener) {
    process.on("SIGINT", listener);
    process.on("SIGTERM", listener);
  },
};

function openNative(): OpenGpu {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu)
    throw new DawnletError("NO_ADAPTER", "Cannot open Deno's own WebGPU as this Deno has none: use Dawn");
  return { gpu, implementation: "wgpu", close: () => {} };
}
