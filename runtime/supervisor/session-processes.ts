/**
 * Session processes: one ONNX Runtime session each, for models that cannot be Programs, and for those that are faster on
 * the CPU. Started at the first call, a few at a time; the one that was used longest ago makes room, and one that nobody
 * calls ends.
 */
import type { Tensor, Tensors } from "../../kernels/tensor.ts";
import type { ModelSource } from "../compiler/protocol.ts";
import type { Platform } from "../platform/platform.ts";
import { SessionClient } from "../session/protocol.ts";
import { Child } from "./child.ts";

export interface SessionProcessesOptions {
  readonly platform: Platform;
  readonly onLine: (line: string) => void;
  /** Processes at a time; more only while all of them are busy. */
  readonly maxProcesses?: number;
  readonly idleMs?: number;
  readonly threads?: number;
  /** A session that may have been open is not any more: it was closed, or its process has ended. */
  readonly onClosed?: (id: string) => void;
}

export interface SessionRun {
  readonly outputs: Map<string, Tensor>;
  /** Time that this run waited for its session to be opened; 0 where it was. */
  readonly loadMs: number;
  readonly executeMs: number;
}

interface Session {
  readonly child: Child<SessionClient>;
  running: number;
  idleTimer: ReturnType<typeof setTimeout> | undefined;
}

export class SessionProcesses {
  readonly #options: Required<Omit<SessionProcessesOptions, "onClosed">> &
    Pick<SessionProcessesOptions, "onClosed">;
  /** In the order of last use. */
  readonly #sessions = new Map<string, Session>();

  constructor(options: SessionProcessesOptions) {
    this.#options = { maxProcesses: 4, idleMs: 60_000, threads: 1, ...options };
  }

  /**
   * @param id of the model; equal ids share a session.
   * @param open finds the model's files; called when a session is opened.
   * @throws DawnletError INVALID_ARGUMENT with ORT's words, UNAVAILABLE where the process ended, what `open` throws.
   */
  run(
    id: string,
    open: () => Promise<ModelSource>,
    inputs: Tensors,
    outputs: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<SessionRun> {
    return this.#using(id, open, async (client, loadMs) => {
      const startedAt = performance.now();
      const results = await client.run(inputs, outputs, signal);
      return { outputs: results, loadMs, executeMs: performance.now() - startedAt };
    });
  }

  /** Opens a session ahead of its runs. @returns milliseconds that it waited; 0 where it was open. @throws as `run`. */
  open(id: string, open: () => Promise<ModelSource>): Promise<number> {
    return this.#using(id, open, async (_, loadMs) => loadMs);
  }

  /** Ends a model's process, if one runs and nobody is using it: functions with equal models share it. */
  async close(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    if (session !== undefined && session.running === 0) await this.#end(id, session);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#sessions].map(([id, session]) => this.#end(id, session)));
  }

  /** @param work gets the session's client, and the time that this took. */
  async #using<T>(
    id: string,
    open: () => Promise<ModelSource>,
    work: (client: SessionClient, loadMs: number) => Promise<T>,
  ): Promise<T> {
    const session = this.#take(id, open);
    try {
      const startedAt = performance.now();
      const wasOpen = session.child.isStarted;
      const client = await session.child.get();
      return await work(client, wasOpen ? 0 : performance.now() - startedAt);
    } finally {
      session.running--;
      const isKept = this.#sessions.get(id) === session;
      if (session.running === 0 && isKept)
        session.idleTimer = setTimeout(() => this.close(id), this.#options.idleMs);
      this.#makeRoom();
    }
  }

  async #end(id: string, session: Session): Promise<void> {
    this.#sessions.delete(id);
    clearTimeout(session.idleTimer);
    this.#options.onClosed?.(id);
    await session.child.stop();
  }

  #take(id: string, open: () => Promise<ModelSource>): Session {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      const { platform, onLine, threads } = this.#options;
      const child: Child<SessionClient> = new Child({
        platform,
        onLine,
        entry: new URL("../session/main.ts", import.meta.url),
        name: "the session process",
        environment: {},
        closedCode: "UNAVAILABLE",
        onClosed: () => {
          if (this.#sessions.get(id)?.child === child) this.#options.onClosed?.(id);
        },
        prepare: async (rpc) => {
          const client = new SessionClient(rpc);
          await client.open({ ...(await open()), threads });
          return client;
        },
      });
      session = { child, running: 0, idleTimer: undefined };
    }
    clearTimeout(session.idleTimer);
    session.running++;
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    this.#makeRoom();
    return session;
  }

  #makeRoom(): void {
    for (const [id, session] of this.#sessions) {
      if (this.#sessions.size <= this.#options.maxProcesses) return;
      if (session.running === 0) void this.close(id);
    }
  }
}
