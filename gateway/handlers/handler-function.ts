/**
 * A handler that answers requests: instances of it in processes of their own, started when requests come and ended when
 * none do.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { LogBudget, logLines } from "../../runtime/isolate/log-budget.ts";
import { maxLogCharacters } from "../../runtime/isolate/protocol.ts";
import type { FetchResult } from "../functions/functions.ts";
import type { HandlerSource, VersionRecord } from "../functions/record.ts";
import type { Backends, Servable, ServableFetch } from "../functions/servable.ts";
import { requestTooLarge, timeoutExceeded } from "./exceeded.ts";
import { HandlerInstance } from "./handler-instance.ts";
import { InstancePool, type Place } from "./instance-pool.ts";
import { InstanceStarts } from "./instance-starts.ts";
import { type HandlerLimits, resolveLimits } from "./limits.ts";
import { LogIntake } from "./log-intake.ts";
import { prepareInstance } from "./prepare-instance.ts";
import { stackMapper } from "./source-positions.ts";

export interface HandlerVersion {
  readonly name: string;
  readonly number: number;
  readonly record: VersionRecord;
  readonly source: HandlerSource;
}

export type HandlerResponse = Pick<FetchResult, "response" | "timings">;

interface StartOptions {
  /** Nobody is going to call it. */
  readonly isTrial: boolean;
  readonly onEnd?: () => void;
}

const log = getLogger(["dawnlet", "function"]);

export class HandlerFunction implements Servable {
  readonly engine = { type: "handler" } as const;
  readonly #backends: Backends;
  readonly #version: HandlerVersion;
  readonly #limits: HandlerLimits;
  readonly #pool: InstancePool<HandlerInstance>;
  readonly #starts = new InstanceStarts();
  /** Instances so far, those that did not start among them. */
  #started = 0;
  #isDisposed = false;
  #mapper: Promise<(stack: string) => string> | undefined;
  onTrouble: ((error: unknown) => void) | undefined;

  constructor(backends: Backends, version: HandlerVersion) {
    this.#backends = backends;
    this.#version = version;
    const { name, source } = version;
    this.#limits = resolveLimits(source.limits, backends.handlers.maxima);
    const { timeoutMs } = this.#limits;
    this.#pool = new InstancePool({
      subject: `function '${name}'`,
      limits: this.#limits,
      start: () => this.#startCounted(),
      waitLimit: { ms: timeoutMs, error: () => timeoutExceeded(name, timeoutMs) },
    });
    backends.handlers.spares.refill();
  }

  run(): Promise<never> {
    const { name } = this.#version;
    return Promise.reject(
      new DawnletError(
        "UNSUPPORTED",
        `Cannot call function '${name}' with tensors as it is a handler: send requests to /function/${name}/`,
      ),
    );
  }

  /**
   * @param onEnd called once, when the answer has gone through whole, or has failed.
   * @throws DawnletError as `InstancePool.take` and `HandlerInstance.fetch`; the detail `stack` of FUNCTION_FAILED names
   *   the bundle's files.
   */
  async fetch(call: ServableFetch, onEnd: () => void): Promise<HandlerResponse> {
    const startedAt = performance.now();
    const admitted = await this.#admit(call).catch((error: unknown) => {
      onEnd();
      throw error;
    });
    const { request, place } = admitted;
    const waitedMs = performance.now() - startedAt;
    const release = (): void => {
      place[Symbol.dispose]();
      onEnd();
    };
    const response = await place.instance
      .fetch(request, call.signal, release, waitedMs)
      .catch(async (error: unknown) => {
        throw await this.#withPositions(error);
      });
    return { response, timings: [["queue", waitedMs]] };
  }

  /** A slow client takes no place in an instance before its request is there. */
  async #admit({ request, arriving, signal }: ServableFetch) {
    const { requestBytes } = this.#limits;
    const length = request.headers.find(([name]) => name === "content-length")?.[1];
    if (Number(length) > requestBytes) throw requestTooLarge(this.#version.name, requestBytes);
    const body = arriving && (await this.#arrived(arriving));
    const place: Place<HandlerInstance> = await this.#pool.take(signal);
    return { request: body === undefined ? request : { ...request, body }, place };
  }

  async #arrived(arriving: Promise<Uint8Array>): Promise<Uint8Array> {
    const { timeoutMs } = this.#limits;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(timeoutExceeded(this.#version.name, timeoutMs)), timeoutMs);
    try {
      return await Promise.race([arriving, late]);
    } finally {
      clearTimeout(timer);
      arriving.catch(() => {});
    }
  }

  /** Starts one instance, so that a module that throws is noticed. What is missing of `env` is not missed yet. */
  async trial(): Promise<void> {
    const instance = await this.#start({ isTrial: true });
    instance.end();
  }

  warm(): Promise<void> {
    return this.#pool.warm();
  }

  async inspect(): Promise<unknown> {
    const { source } = this.#version;
    return {
      kind: "handler",
      entry: source.entry,
      files: Object.keys(source.files),
      uses: source.uses,
      hosts: source.hosts,
      secrets: source.secrets,
      limits: this.#limits,
      instances: this.#pool.instances.length,
      running: this.#pool.running,
      waiting: this.#pool.waiting,
      starts: this.#starts.count,
      ...(this.#starts.medianMs !== undefined && { startMs: Math.round(this.#starts.medianMs) }),
    };
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#pool.dispose();
  }

  async #startCounted(): Promise<HandlerInstance> {
    const counts = [this.#starts, this.#backends.handlers.starts];
    const ended = Promise.withResolvers<void>();
    const startedAt = performance.now();
    try {
      const instance = await this.#start({ isTrial: false, onEnd: ended.resolve });
      for (const count of counts) count.started(performance.now() - startedAt);
      void ended.promise.then(() => {
        for (const count of counts) count.ended();
      });
      return instance;
    } catch (error) {
      for (const count of counts) count.didNotStart();
      throw error;
    }
  }

  async #start({ isTrial, onEnd }: StartOptions): Promise<HandlerInstance> {
    const { name, source } = this.#version;
    const { handlers, store } = this.#backends;
    const intake = this.#intake(++this.#started);
    const budget = new LogBudget({ ...logLines, onDropped: (lines) => intake.dropped(lines) });
    const limits = this.#limits;
    const prepared = await prepareInstance(this.#backends, this.#version, limits, isTrial);
    // Before there is a process that would have to be ended where this fails.
    const code = await store.blobs.read(source.code);
    const process = await handlers.spares.take(limits.memoryBytes);
    try {
      return await HandlerInstance.start({
        ...prepared,
        limits,
        process,
        code,
        watch: handlers.watch,
        takesLog: () => budget.take(),
        onLog: (entry) => intake.note(entry),
        onBusy: (instance) => this.#pool.noteBusy(instance),
        onEnd: (instance, error) => {
          this.#pool.ended(instance);
          onEnd?.();
          // Who deploys it is told.
          intake.ended(isTrial ? undefined : error?.message);
          if (error === undefined) return;
          log.warn("an instance of {function} ended: {reason}", { function: name, reason: error.message });
          // It may have had no call that would tell.
          this.onTrouble?.(error);
        },
      });
    } catch (error) {
      if (!(error instanceof DawnletError) || error.code !== "FUNCTION_FAILED") throw error;
      const where = await this.#positions(error.message);
      throw new DawnletError("FUNCTION_FAILED", `Cannot start function '${name}': ${where}`);
    }
  }

  /** Lines go to the log of the function, and to that of the gateway. */
  #intake(instance: number): LogIntake {
    const { name, number, record } = this.#version;
    const owner = { name, tenant: record.tenant };
    return new LogIntake({
      version: number,
      instance,
      positions: (text) => this.#positions(text),
      write: (line) => {
        const { level, message, fields } = line;
        log[level]("{line}", { ...fields, function: name, line: message });
        // Its log went with it.
        if (!this.#isDisposed) this.#backends.handlers.logs.add(owner, line);
      },
    });
  }

  /** What a handler threw, with the bundle's files in its stack. */
  async #withPositions(error: unknown): Promise<unknown> {
    if (!(error instanceof DawnletError) || error.code !== "FUNCTION_FAILED") return error;
    const stack = error.details?.stack;
    if (typeof stack !== "string") return error;
    const details = { stack: await this.#positions(stack.slice(0, maxLogCharacters)) };
    return new DawnletError(error.code, error.message, { details });
  }

  /** Puts the bundle's files and lines in place of those of the one module that it became. */
  async #positions(text: string): Promise<string> {
    if (!text.includes("\n")) return text;
    this.#mapper ??= this.#backends.store.blobs
      .read(this.#version.source.map)
      .then((bytes) => stackMapper(new TextDecoder().decode(bytes)));
    return this.#mapper.then((map) => map(text)).catch(() => text);
  }
}
