/**
 * A child process that is started when it is first needed and started again after it ended: concurrent callers
 * share one start, a failed start is not remembered. What it does is for its owner to say.
 */

import type { ErrorCode } from "../../kernels/errors.ts";
import type { ChildProcess, Platform } from "../platform/platform.ts";
import { RpcClient } from "../port/rpc-client.ts";

export interface ChildOptions<T> {
  readonly platform: Platform;
  readonly entry: URL;
  /** For people: "the device process". */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  /** See `ProcessOptions`. */
  readonly hugePages?: boolean;
  /** What calls fail with when the process ends under them. */
  readonly closedCode: ErrorCode;
  readonly onLine: (line: string) => void;
  /** Makes the process ready and gives what its users hold. */
  readonly prepare: (rpc: RpcClient) => Promise<T>;
  /** The process ended or let go of its Port, wanted or not; the next `get` starts another. */
  readonly onExit?: (wasWanted: boolean) => void;
}

interface Running<T> {
  readonly child: ChildProcess;
  readonly value: T;
}

export class Child<T> {
  readonly #options: ChildOptions<T>;
  #running: Promise<Running<T>> | undefined;
  #isStopping = false;

  constructor(options: ChildOptions<T>) {
    this.#options = options;
  }

  get isStarted(): boolean {
    return this.#running !== undefined;
  }

  /** @throws DawnletError UNAVAILABLE and what `prepare` throws. */
  async get(): Promise<T> {
    if (this.#running === undefined) {
      const running = this.#start(() => {
        if (this.#running === running) this.#running = undefined;
      });
      this.#running = running;
    }
    return (await this.#running).value;
  }

  async pid(): Promise<number | undefined> {
    return (await this.#running)?.child.pid;
  }

  /** Ends the process, if one runs, and waits until it is gone. */
  async stop(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (running === undefined) return;
    this.#isStopping = true;
    await running.child.stop();
  }

  /** @param forget called when what was started is gone, or was never there. */
  async #start(forget: () => void): Promise<Running<T>> {
    const { platform, entry, name, environment, hugePages, onLine, prepare, closedCode, onExit } = this.#options;
    let child: ChildProcess | undefined;
    try {
      child = await platform.spawnProcess(entry, { name, environment, hugePages, onLine });
      const { port } = child;
      const started = child;
      port.closed.then(() => {
        const wasWanted = this.#isStopping;
        this.#isStopping = false;
        forget();
        // Without its Port a process is of no use, even where it has not ended: it may hang in a driver.
        if (!wasWanted) started.kill();
        onExit?.(wasWanted);
      });
      return { child, value: await prepare(new RpcClient(port, { peer: name, closedCode })) };
    } catch (error) {
      child?.kill();
      forget();
      throw error;
    }
  }
}
