/**
 * Session processes: one ONNX Runtime session each, for models that cannot be Programs, and for those that are faster on
 * the CPU. Started at the first call, and never more than a few: one that nobody uses makes room, or one that was busy for
 * its turn, and a session that nobody calls ends.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { ModelSource } from "../compiler/protocol.ts";
import type { Platform } from "../platform/platform.ts";
import { ModelSession, type SessionCall, type SessionRun } from "./model-session.ts";
import { type Place, ProcessPlaces } from "./process-places.ts";

export type { SessionCall, SessionRun };

export interface SessionProcessesOptions {
  readonly platform: Platform;
  readonly onLine: (line: string) => void;
  /** Processes at a time, those that are still ending included. A tenant has at most half of them, and one at least. */
  readonly maxProcesses?: number;
  readonly idleMs?: number;
  /** That a busy session keeps its process where others wait for one. */
  readonly turnMs?: number;
  /** That a run may go on when its caller has left. */
  readonly graceMs?: number;
  readonly threads?: number;
  /** The session of a model was open and is not any more: it was closed, or its process has ended. */
  readonly onClosed?: (id: string) => void;
}

/** A model, and whose it is. */
export interface SessionModel {
  /** Models of one owner with equal ids share a session. */
  readonly id: string;
  /** Left out, or empty: the operator. */
  readonly owner?: string;
  /** Finds its files; called when a session is opened. */
  source(): Promise<ModelSource>;
}

export class SessionProcesses {
  readonly #options: Required<Omit<SessionProcessesOptions, "onClosed">> &
    Pick<SessionProcessesOptions, "onClosed">;
  readonly #places: ProcessPlaces;
  /** In the order of last use. */
  readonly #sessions = new Map<string, ModelSession>();
  #stopped: DawnletError | undefined;

  constructor(options: SessionProcessesOptions) {
    this.#options = {
      ...{ maxProcesses: 4, idleMs: 60_000, turnMs: 10_000, graceMs: 5_000, threads: 1 },
      ...options,
    };
    this.#places = new ProcessPlaces(this.#options.maxProcesses);
  }

  /**
   * @throws DawnletError INVALID_ARGUMENT with ORT's words; TIME_LIMIT_EXCEEDED; UNAVAILABLE where the process ended in this
   * run, or is being stopped; CANCELLED; what `source` throws.
   */
  async run(model: SessionModel, call: SessionCall, signal: AbortSignal): Promise<SessionRun> {
    return this.#sessionOf(model).do(call, model.source, signal);
  }

  /** Opens a session ahead of its runs. @returns milliseconds that it waited; 0 where it was open. @throws as `run`. */
  async open(model: SessionModel): Promise<number> {
    return (await this.#sessionOf(model).do(undefined, model.source)).loadMs;
  }

  /** Ends a model's process, if one runs and nobody is using it: an owner's functions with equal models share it. */
  async close(model: Pick<SessionModel, "id" | "owner">): Promise<void> {
    const session = this.#sessions.get(keyOf(model));
    if (session?.isIdle === true) await session.end();
  }

  /** What runs and waits fails with UNAVAILABLE. @returns when all processes are gone. */
  async stop(): Promise<void> {
    const error = new DawnletError("UNAVAILABLE", "Cannot run a session as the gateway is stopping");
    this.#stopped = error;
    await Promise.all([...this.#sessions.values()].map((session) => session.stop(error)));
  }

  #sessionOf(model: SessionModel): ModelSession {
    if (this.#stopped !== undefined) throw this.#stopped;
    const key = keyOf(model);
    const session = this.#sessions.get(key) ?? this.#newSession(key, model);
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    return session;
  }

  #newSession(key: string, { id, owner = "" }: SessionModel): ModelSession {
    const { onClosed, ...options } = this.#options;
    const session: ModelSession = new ModelSession({
      ...{ ...options, owner, places: this.#places },
      onClosed: () => onClosed?.(id),
      onChanged: () => {
        if (session.isEmpty && this.#sessions.get(key) === session) this.#sessions.delete(key);
        this.#makeRoom();
      },
    });
    return session;
  }

  /** For those that wait, where the sessions of others have nothing to do, or had their turn. */
  #makeRoom(): void {
    if (!this.#places.isWaitedFor) return;
    const spare = new Map<Place, ModelSession>();
    for (const session of this.#sessions.values())
      if (session.spare !== undefined) spare.set(session.spare, session);
    for (const place of this.#places.toEnd([...spare.keys()])) void spare.get(place)!.end();
  }
}

function keyOf({ id, owner = "" }: Pick<SessionModel, "id" | "owner">): string {
  return JSON.stringify([owner, id]);
}
