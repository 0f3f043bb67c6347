/**
 * One model's session with its queue of calls: one run is in the process at a time, so that a limit of time covers that run
 * alone, and those that wait lose nothing where the process ends. The process is opened when there are calls and none runs.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { maxTimeLimitMs } from "../../kernels/manifest/time-limit.ts";
import type { Tensor, Tensors } from "../../kernels/tensor.ts";
import type { ModelSource } from "../compiler/protocol.ts";
import { abortError } from "../port/abort-error.ts";
import type { Place, ProcessPlaces } from "./process-places.ts";
import { type SessionProcess, type SessionProcessOptions, startSession } from "./session-process.ts";

export interface SessionCall {
  readonly inputs: Tensors;
  /** Left out: all. */
  readonly outputs?: readonly string[] | undefined;
  /** In the process; what it waits before does not count. */
  readonly limitMs: number;
}

export interface SessionRun {
  readonly outputs: Map<string, Tensor>;
  /** Time that this run waited for its session to be opened; 0 where it was. */
  readonly loadMs: number;
  /** That it waited for runs before it, and for a place for its process. */
  readonly queueMs: number;
  readonly executeMs: number;
}

export interface ModelSessionOptions extends SessionProcessOptions {
  readonly owner: string;
  readonly places: ProcessPlaces;
  /** For a run that nobody waits for any more. */
  readonly graceMs: number;
  /** That a busy session keeps its process at least, where others wait for a place. */
  readonly turnMs: number;
  readonly idleMs: number;
  /** It waits for a place, or could make room for others, or has nothing left: `isEmpty`. */
  readonly onChanged: () => void;
  /** It was open and is not any more. */
  readonly onClosed: () => void;
}

interface Job {
  /** Left out: the session is only to be open. */
  readonly call: SessionCall | undefined;
  readonly find: () => Promise<ModelSource>;
  readonly cameAt: number;
  resolve(run: SessionRun): void;
  reject(error: unknown): void;
}

interface Running {
  readonly job: Job;
  readonly endsAt: number;
  /** Ends the process when the run may take no longer. */
  timer: ReturnType<typeof setTimeout>;
}

interface Open {
  readonly process: SessionProcess;
  readonly place: Place;
  readonly openingAt: number;
  readonly openedAt: number;
}

export class ModelSession {
  readonly #options: ModelSessionOptions;
  readonly #waiting = new Set<Job>();
  #running: Running | undefined;
  #open: Open | undefined;
  #isServing = false;
  #served: Promise<void> = Promise.resolve();
  /** Of what it waits for before it is open, and whether that is a place alone. */
  #opening: { readonly abort: AbortController; hasPlace: boolean } | undefined;
  /** Processes that are being ended, and when they are gone. */
  #ending = 0;
  #gone: Promise<void> = Promise.resolve();
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ModelSessionOptions) {
    this.#options = options;
  }

  /** Nothing is to be done, and no process is there. */
  get isEmpty(): boolean {
    return !this.#isServing && this.#open === undefined && this.#ending === 0;
  }

  /** Open, and nothing is to be done. */
  get isIdle(): boolean {
    return !this.#isServing && this.#open !== undefined;
  }

  /** That it could leave to others now. */
  get spare(): Place | undefined {
    if (this.#open === undefined || this.#running !== undefined) return undefined;
    const isDue = performance.now() - this.#open.openedAt > this.#options.turnMs;
    return this.isIdle || isDue ? this.#open.place : undefined;
  }

  /** @param call left out: the session is opened. @throws DawnletError as SessionProcesses.run. */
  async do(
    call: SessionCall | undefined,
    find: () => Promise<ModelSource>,
    signal?: AbortSignal,
  ): Promise<SessionRun> {
    if (signal?.aborted) throw abortError(signal, "run");
    const { promise, resolve, reject } = Promise.withResolvers<SessionRun>();
    const job = { call, find, cameAt: performance.now(), resolve, reject };
    const giveUp = () => {
      reject(abortError(signal!, "run"));
      this.#gaveUp(job);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
    this.#waiting.add(job);
    if (!this.#isServing) this.#served = this.#serve();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Ends its process, if one runs; the calls that wait get another. @returns when it is gone. */
  end(): Promise<void> {
    if (this.#open !== undefined) this.#gone = this.#end(this.#open, this.#gone);
    return this.#gone;
  }

  /** Ends it for good: calls fail with this error. */
  async stop(error: DawnletError): Promise<void> {
    this.#opening?.abort.abort(error);
    this.#failWaiting(error);
    void this.end();
    await this.#served;
    // With what was opened in the same instant.
    await this.end();
  }

  async #end({ process, place }: Open, before: Promise<void>): Promise<void> {
    clearTimeout(this.#idleTimer);
    this.#open = undefined;
    this.#ending++;
    place.isEnding = true;
    this.#options.onClosed();
    await process.end();
    this.#ending--;
    this.#options.places.free(place);
    this.#options.onChanged();
    await before;
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    clearTimeout(this.#idleTimer);
    for (const job of this.#waiting) {
      const open = this.#open ?? (await this.#reopen(job.find));
      // Not where it has given up, or failed with the others as the session could not be opened.
      if (open !== undefined && this.#waiting.delete(job)) await this.#run(open, job);
      if (this.#waiting.size > 0) this.#options.onChanged();
    }
    this.#isServing = false;
    if (this.#open !== undefined) this.#idleTimer = setTimeout(() => void this.end(), this.#options.idleMs);
    this.#options.onChanged();
  }

  async #run({ process, openingAt, openedAt }: Open, job: Job): Promise<void> {
    const { call, cameAt } = job;
    const startedAt = performance.now();
    const loadMs = Math.max(0, openedAt - Math.max(cameAt, openingAt));
    const waited = { loadMs, queueMs: startedAt - cameAt - loadMs };
    if (call === undefined) {
      job.resolve({ outputs: new Map(), ...waited, executeMs: 0 });
      return;
    }
    const { inputs, outputs, limitMs } = call;
    const tooLong = () => {
      job.reject(timeLimitError(limitMs));
      void this.end();
    };
    this.#running = { job, endsAt: startedAt + limitMs, timer: setTimeout(tooLong, limitMs) };
    try {
      const results = await process.client.run(inputs, outputs);
      job.resolve({ outputs: results, ...waited, executeMs: performance.now() - startedAt });
    } catch (error) {
      job.reject(error);
    } finally {
      clearTimeout(this.#running.timer);
      this.#running = undefined;
    }
  }

  #gaveUp(job: Job): void {
    const running = this.#running;
    if (running?.job === job) {
      clearTimeout(running.timer);
      const leftMs = Math.min(this.#options.graceMs, running.endsAt - performance.now());
      running.timer = setTimeout(() => void this.end(), leftMs);
    }
    this.#waiting.delete(job);
    // A session that is being opened already is there for the next call.
    if (this.#waiting.size === 0 && this.#opening?.hasPlace === false) this.#opening.abort.abort(nobodyWaits);
  }

  /** @returns undefined where that failed, and with it all calls that wait, or where none waits any more. */
  async #reopen(find: () => Promise<ModelSource>): Promise<Open | undefined> {
    const { owner, places, onChanged } = this.#options;
    const opening = { abort: new AbortController(), hasPlace: false };
    this.#opening = opening;
    let place: Place | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const taken = places.take(owner, opening.abort.signal);
      onChanged();
      place = await taken;
      opening.hasPlace = true;
      timer = setTimeout(() => opening.abort.abort(openingError()), maxTimeLimitMs);
      const openingAt = performance.now();
      const process = await startSession(this.#options, find, opening.abort.signal);
      const open = { process, place, openingAt, openedAt: performance.now() };
      this.#open = open;
      void process.closed.then(() => {
        if (this.#open === open) return this.end();
      });
      return open;
    } catch (error) {
      if (place !== undefined) places.free(place);
      if (error !== nobodyWaits) this.#failWaiting(error);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#opening = undefined;
    }
  }

  #failWaiting(error: unknown): void {
    for (const job of this.#waiting) job.reject(error);
    this.#waiting.clear();
  }
}

const nobodyWaits = new DawnletError("CANCELLED", "Nobody waits for the session any more");

/** The function's own doing, but no device was lost by it: no strike. */
function timeLimitError(limitMs: number): DawnletError {
  return new DawnletError(
    "TIME_LIMIT_EXCEEDED",
    `The run took longer than ${limitMs} ms in its session of ONNX Runtime, which had to be ended: give it less to do, or state a larger 'timeLimitMs' in function.json (at most ${maxTimeLimitMs})`,
    { details: { timeLimitMs: limitMs } },
  );
}

function openingError(): DawnletError {
  return new DawnletError(
    "TIME_LIMIT_EXCEEDED",
    `ONNX Runtime did not open the model within ${maxTimeLimitMs} ms`,
  );
}
