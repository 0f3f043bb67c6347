/** Node 24 and later. What it shares with Deno is in the posix files. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DawnletError } from "../../kernels/errors.ts";
import { serveNodeHttp } from "./node-http.ts";
import type { Platform } from "./platform.ts";
import { readBlob } from "./posix-blobs.ts";
import { posixFiles } from "./posix-files.ts";
import { openDawn } from "./posix-gpu.ts";
import { connectToParent, spawnChild } from "./posix-process.ts";
import { spawnThread, threadPort } from "./posix-worker.ts";

export const platform: Platform = {
  runtime: "node",
  pid: process.pid,
  system: { name: process.platform, architecture: process.arch },

  async openGpu(options = {}) {
    if (options.implementation !== "native") return openDawn(options);
    throw new DawnletError(
      "UNSUPPORTED",
      "Cannot open Node's own WebGPU as it has none: use Dawn, or run with Deno",
    );
  },

  spawnProcess(entry, options = {}) {
    const args = [...(options.runtimeArgs ?? []), fileURLToPath(entry)];
    return spawnChild({ program: process.execPath, args }, options);
  },

  spawnWorker: (entry, options = {}) => spawnThread(entry, options),
  connectParent: async () => threadPort() ?? connectToParent(),
  readBlob,
  serveHttp: serveNodeHttp,
  files: posixFiles,
  environment: (name) => process.env[name],
  exit: (code) => process.exit(code),

  onTerminate(listener) {
    process.on("SIGINT", listener);
    process.on("SIGTERM", listener);
  },
};
