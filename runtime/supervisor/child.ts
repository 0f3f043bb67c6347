/**
 * A child process that is started when it is first needed and started again after it ended: concurrent callers
 * share one start, a failed start is not remembered. What it does is for its owner to say.
 */

import type { ErrorCode } from "../../kernels/errors.ts";
import type { ChildProcess, ExitStatus, Platform } from "../platform/platform.ts";
import type { Port } from "../port/port.ts";
import { RpcClient } from "../port/rpc-client.ts";
import { splitPort } from "../port/split-port.ts";

/** How a process came to its end. */
export interface ChildEnd {
  /** `stop` was called. */
  readonly wasWanted: boolean;
  /** `kill` was called, or it had let go of its Port and did not end. */
  readonly wasKilled: boolean;
  readonly status: ExitStatus;
}

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
  readonly prepare: (rpc: RpcClient, streams: Readonly<Record<string, Port>>) => Promise<T>;
  /** Names of the streams on its Port, where there are others beside that of `calls`; see split-port.ts. */
  readonly streams?: readonly string[];
  /** The process let go of its Port; the next `get` starts another. @param value undefined where it never was ready. */
  readonly onClosed?: (value: T | undefined) => void;
  /** The process is gone. */
  readonly onExit?: (end: ChildEnd, value: T | undefined) => void;
}

interface Running<T> {
  readonly child: ChildProcess;
  readonly value: T;
}

/** A process that has closed its Port ends by itself within this, or is killed. */
const endGraceMs = 200;
/** One that is stuck in the kernel may not even be killed: no longer is it waited for. */
const goneGraceMs = 5_000;

export class Child<T> {
  readonly #options: ChildOptions<T>;
  #running: Promise<Running<T>> | undefined;
  #isStopping = false;
  /** What `kill` was called for. */
  readonly #killed = new WeakSet<ChildProcess>();

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

  /** Ends the process at once, if one runs, also one that hangs. */
  async kill(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (running !== undefined) this.#kill(running.child);
  }

  /** @param forget called when what was started is gone, or was never there. */
  async #start(forget: () => void): Promise<Running<T>> {
    const { platform, entry, name, environment, hugePages, onLine, prepare, closedCode, streams } =
      this.#options;
    let child: ChildProcess | undefined;
    try {
      child = await platform.spawnProcess(entry, { name, environment, hugePages, onLine });
      let value: T | undefined;
      void this.#watch(child, forget, () => value);
      const ports = streams === undefined ? {} : splitPort(child.port, streams);
      value = await prepare(new RpcClient(ports.calls ?? child.port, { peer: name, closedCode }), ports);
      return { child, value };
    } catch (error) {
      if (child !== undefined) this.#kill(child);
      forget();
      throw error;
    }
  }

  async #watch(child: ChildProcess, forget: () => void, valueNow: () => T | undefined): Promise<void> {
    await child.port.closed;
    const wasWanted = this.#isStopping;
    this.#isStopping = false;
    forget();
    this.#options.onClosed?.(valueNow());
    let status = wasWanted ? await child.exited : await within(endGraceMs, child.exited);
    if (status === undefined) {
      // Without its Port a process is of no use, even where it has not ended: it may hang in a driver.
      this.#kill(child);
      status = await within(goneGraceMs, child.exited);
    }
    const wasKilled = this.#killed.has(child);
    const end = { wasWanted, wasKilled, status: status ?? { code: null, signal: null } };
    this.#options.onExit?.(end, valueNow());
  }

  #kill(child: ChildProcess): void {
    this.#killed.add(child);
    child.kill();
  }
}

async function within<V>(milliseconds: number, promise: Promise<V>): Promise<V | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), milliseconds);
  const value = await Promise.race([promise, over]);
  clearTimeout(timer);
  return value;
}
