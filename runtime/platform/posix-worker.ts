/** Worker threads of node:worker_threads and the Port to them. Used by Node and Deno. */
import { isMainThread, MessageChannel, Worker, workerData } from "node:worker_threads";
import { MessagePortPort } from "../port/message-port.ts";
import type { Port } from "../port/port.ts";
import type { ChildWorker, WorkerOptions } from "./platform.ts";

/** What `workerData` of our workers holds. */
const portKey = "dawnletPort";

/** See `Platform.spawnWorker`. */
export function spawnThread(entry: URL, options: WorkerOptions): ChildWorker {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(entry, {
    workerData: { [portKey]: port2 },
    transferList: [port2],
    execArgv: [],
    ...(options.name === undefined ? {} : { name: options.name }),
  });
  const port = new MessagePortPort(port1 as unknown as MessagePort);
  worker.once("error", (error: unknown) => {
    options.onError?.(error instanceof Error ? error : new Error(String(error)));
    port.close();
  });
  worker.once("exit", () => port.close());
  return {
    port,
    async terminate() {
      port.close();
      await worker.terminate();
    },
  };
}

/** @returns undefined where this is no thread of `spawnThread`. */
export function threadPort(): Port | undefined {
  const data: unknown = workerData;
  if (isMainThread || typeof data !== "object" || data === null || !(portKey in data)) return undefined;
  return new MessagePortPort(data[portKey] as MessagePort);
}
