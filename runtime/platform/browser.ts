/** A page or a Web Worker. There are no processes, no files and no sockets to listen on. */
import { DawnletError } from "../../kernels/errors.ts";
import { MessagePortPort } from "../port/message-port.ts";
import type { Platform } from "./platform.ts";
import { WorkerLink } from "./worker-link.ts";

/** The first message to our workers: `{ [portKey]: MessagePort }`. */
const portKey = "dawnletPort";

export const platform: Platform = {
  runtime: "browser",
  pid: 0,
  system: { name: "", architecture: "" },

  async openGpu(options = {}) {
    if (options.implementation === "dawn" || options.backend)
      throw unsupported("choose an implementation of WebGPU");
    const gpu = globalThis.navigator.gpu;
    if (!gpu)
      throw new DawnletError(
        "NO_ADAPTER",
        "Cannot open WebGPU as this browser has none, or not on this page",
      );
    return { gpu, implementation: "browser", close: () => {} };
  },

  gpuMemories: async () => [],
  spawnProcess: () => Promise.reject(unsupported("start a process")),

  spawnWorker(entry, options = {}) {
    const worker = new Worker(entry, { type: "module", ...(options.name ? { name: options.name } : {}) });
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ [portKey]: port2 }, [port2]);
    const link = new WorkerLink(port1, () => worker.terminate());
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      options.onError?.(new Error(event.message || `Cannot load ${entry}`));
      link.end();
    });
    return link;
  },

  connectParent: async () => new MessagePortPort(await parentMessagePort()),
  parentMessagePort,

  async readBlob(path, offset, target) {
    if (target.byteLength === 0) return;
    const range = `bytes=${offset}-${offset + target.byteLength - 1}`;
    const response = await fetch(path, { headers: { range } });
    if (response.status === 404)
      throw new DawnletError("NOT_FOUND", `Cannot read '${path}' as there is no such file`);
    if (!response.ok)
      throw new DawnletError("UNAVAILABLE", `Cannot read '${path}': the server says ${response.status}`);
    // A server may ignore the range and send all of it: then the rest is not waited for.
    const isPart = response.status === 206;
    let skip = isPart ? 0 : offset;
    let filled = 0;
    for await (const piece of response.body ?? []) {
      const bytes = piece.subarray(Math.min(skip, piece.byteLength));
      skip -= piece.byteLength - bytes.byteLength;
      const taken = bytes.subarray(0, target.byteLength - filled);
      target.set(taken, filled);
      filled += taken.byteLength;
      if (filled === target.byteLength && !isPart) return;
    }
    if (filled === target.byteLength) return;
    throw new DawnletError(
      "CORRUPT_DATA",
      `Cannot read '${path}' as it ends ${target.byteLength - filled} bytes too early`,
    );
  },

  serveHttp: () => Promise.reject(unsupported("serve HTTP")),
  openHttpClient: () => Promise.reject(unsupported("choose the addresses that requests go to")),
  processUsage: async () => undefined,

  pace: () => () => undefined,
  files: {
    read: () => Promise.reject(unsupported("read a file")),
    write: () => Promise.reject(unsupported("write a file")),
    stat: () => Promise.reject(unsupported("look at a file")),
    list: () => Promise.reject(unsupported("list a folder")),
    moveFolder: () => Promise.reject(unsupported("move a folder")),
    remove: () => Promise.reject(unsupported("remove a file")),
    cacheFolder() {
      throw unsupported("keep a cache folder");
    },
    bootId: () => Promise.reject(unsupported("know when the machine started")),
    packageFolder: () => undefined,
  },

  environment: () => undefined,

  exit() {
    globalThis.close();
    throw unsupported("go on after its end");
  },

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
    globalThis.addEventListener("pagehide", listener);
  },
};

/** Listens from the start: a worker's messages are not kept for listeners that come later. */
const received: Promise<MessagePort> | undefined = "document" in globalThis ? undefined : receivePort();

async function parentMessagePort(): Promise<MessagePort> {
  if (!received) throw unsupported("connect to a parent outside a worker");
  return received;
}

function receivePort(): Promise<MessagePort> {
  return new Promise((resolve) => {
    const take = (event: MessageEvent): void => {
      const port: unknown = event.data?.[portKey];
      if (!(port instanceof MessagePort)) return;
      globalThis.removeEventListener("message", take);
      resolve(port);
    };
    globalThis.addEventListener("message", take);
  });
}

function unsupported(what: string): DawnletError {
  return new DawnletError("UNSUPPORTED", `Cannot ${what} in a browser`);
}
