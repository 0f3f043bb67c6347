/** Worker threads of node:worker_threads and the Port to them. Used by Node and Deno. */
import { isMainThread, MessageChannel, Worker, workerData } from "node:worker_threads";
import { DawnletError } from "../../kernels/errors.ts";
import { MessagePortPort } from "../port/message-port.ts";
import type { Port } from "../port/port.ts";
import type { ChildWorker, WorkerOptions } from "./platform.ts";
import { WorkerLink } from "./worker-link.ts";

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
  const link = new WorkerLink(port1 as unknown as MessagePort, () => worker.terminate());
  worker.once("error", (error: unknown) => {
    options.onError?.(error instanceof Error ? error : new Error(String(error)));
    link.end();
  });
  worker.once("exit", () => link.end());
  return link;
}

/** See `Platform.parentMessagePort`. */
export async function parentMessagePort(): Promise<MessagePort> {
  const port = messagePort();
  if (port === undefined)
    throw new DawnletError("UNSUPPORTED", "Cannot connect by a MessagePort outside a worker thread");
  return port;
}

/** @returns undefined where this is no thread of `spawnThread`. */
export function threadPort(): Port | undefined {
  const port = messagePort();
  return port && new MessagePortPort(port);
}

function messagePort(): MessagePort | undefined {
  const data: unknown = workerData;
  if (isMainThread || typeof data !== "object" || data === null || !(portKey in data)) return undefined;
  return data[portKey] as MessagePort;
}
