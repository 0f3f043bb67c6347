/** `ctx` of one request to a handler, and what outlives the request. */
import type { HandlerContext } from "../library/types.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import { type Log, show } from "./log.ts";
import type { StartParams } from "./protocol.ts";

export interface ContextServices {
  readonly function: StartParams["function"];
  readonly host: RpcClient;
  readonly log: Log;
  readonly background: Background;
}

/** Counts promises that were given to `waitUntil`. */
export class Background {
  readonly #log: Log;
  readonly #tell: (pending: number) => void;
  #pending = 0;

  /** @param tell is called when the count changes. */
  constructor(log: Log, tell: (pending: number) => void) {
    this.#log = log;
    this.#tell = tell;
  }

  add(promise: unknown): void {
    this.#tell(++this.#pending);
    Promise.resolve(promise)
      .catch((error: unknown) => this.#log("error", `A promise of waitUntil failed: ${show(error)}`))
      .finally(() => this.#tell(--this.#pending));
  }
}

/** @param deadlineMs from now. */
export function handlerContext(
  request: Request,
  deadlineMs: number | undefined,
  { function: { name, version }, host, log, background }: ContextServices,
): HandlerContext {
  return {
    function: { name, version },
    deadline: deadlineMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + deadlineMs,
    signal: request.signal,
    log: {
      debug: (message, fields) => log("debug", message, fields),
      info: (message, fields) => log("info", message, fields),
      warn: (message, fields) => log("warn", message, fields),
      error: (message, fields) => log("error", message, fields),
    },
    waitUntil: (promise) => background.add(promise),
    // A request that fails has nowhere else to go; frameworks for other hosts call it.
    passThroughOnException: () => {},
    file: (path) => bundleFile(host, path),
  };
}

/** @throws DawnletError NOT_FOUND where the bundle has no such file. */
async function bundleFile(host: RpcClient, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { attachments } = await host.call("file", path);
  return new Uint8Array(attachments[0]!);
}
