/**
 * A handler that answers requests: instances of it in processes of their own, started when requests come and ended when
 * none do.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { LogBudget, logLines } from "../../runtime/isolate/log-budget.ts";
import type { HopTimings } from "../functions/functions.ts";
import type { HandlerSource, VersionRecord } from "../functions/record.ts";
import type { Backends, Servable } from "../functions/servable.ts";
import { requestTooLarge, timeoutExceeded } from "./exceeded.ts";
import { HandlerInstance } from "./handler-instance.ts";
import { InstancePool, type Place } from "./instance-pool.ts";
import { type HandlerLimits, resolveLimits } from "./limits.ts";
import { prepareInstance } from "./prepare-instance.ts";
import { stackMapper } from "./source-positions.ts";

export interface HandlerVersion {
  readonly name: string;
  readonly number: number;
  readonly record: VersionRecord;
  readonly source: HandlerSource;
}

export interface HandlerResponse {
  readonly response: Response;
  readonly timings: HopTimings;
}

const log = getLogger(["dawnlet", "function"]);

export class HandlerFunction implements Servable {
  readonly engine = { type: "handler" } as const;
  readonly #backends: Backends;
  readonly #version: HandlerVersion;
  readonly #limits: HandlerLimits;
  readonly #pool: InstancePool<HandlerInstance>;
  readonly #logBudget: LogBudget;
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
      start: () => this.#start({ isTrial: false }),
      waitLimit: { ms: timeoutMs, error: () => timeoutExceeded(name, timeoutMs) },
    });
    this.#logBudget = new LogBudget({
      ...logLines,
      onDropped: (lines) =>
        log.warn("{function} logs too much: {lines} lines were dropped", { function: name, lines }),
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
   * @param request its URL is the handler's own.
   * @param onEnd called once, when the answer has gone through whole, or has failed.
   * @throws DawnletError as `InstancePool.take` and `HandlerInstance.fetch`.
   */
  async fetch(request: Request, onEnd: () => void): Promise<HandlerResponse> {
    const { signal } = request;
    const place = await this.#take(request).catch((error: unknown) => {
      onEnd();
      throw error;
    });
    const release = (): void => {
      place[Symbol.dispose]();
      onEnd();
    };
    const response = await place.instance.fetch(request, signal, release, place.waitedMs);
    return { response, timings: [["queue", place.waitedMs]] };
  }

  #take(request: Request): Promise<Place<HandlerInstance>> {
    const { requestBytes } = this.#limits;
    if (Number(request.headers.get("content-length")) > requestBytes)
      return Promise.reject(requestTooLarge(this.#version.name, requestBytes));
    return this.#pool.take(request.signal);
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
    };
  }

  async dispose(): Promise<void> {
    this.#pool.dispose();
  }

  async #start({ isTrial }: { readonly isTrial: boolean }): Promise<HandlerInstance> {
    const { name, source } = this.#version;
    const { handlers, store } = this.#backends;
    const prepared = await prepareInstance(this.#backends, this.#version, isTrial);
    const [process, code] = await Promise.all([
      handlers.spares.take(prepared.limits.memoryBytes),
      store.blobs.read(source.code),
    ]);
    try {
      return await HandlerInstance.start({
        ...prepared,
        process,
        code,
        watch: handlers.watch,
        takesLog: () => this.#logBudget.take(),
        onLog: ({ level, message, fields }) => {
          void this.#positions(message).then((text) =>
            log[level]("{line}", { ...fields, function: name, line: text }),
          );
        },
        onBusy: (instance) => this.#pool.noteBusy(instance),
        onEnd: (instance, error) => {
          this.#pool.ended(instance);
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

  /** Puts the bundle's files and lines in place of those of the one module that it became. */
  async #positions(text: string): Promise<string> {
    if (!text.includes("\n")) return text;
    this.#mapper ??= this.#backends.store.blobs
      .read(this.#version.source.map)
      .then((bytes) => stackMapper(new TextDecoder().decode(bytes)));
    return this.#mapper.then((map) => map(text)).catch(() => text);
  }
}
