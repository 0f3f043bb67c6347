/**
 * A handler that answers requests: instances of it in processes of their own, started when requests come and ended when
 * none do.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { maxLogCharacters } from "../../runtime/isolate/protocol.ts";
import type { HopTimings } from "../functions/functions.ts";
import type { HandlerSource, VersionRecord } from "../functions/record.ts";
import type { Backends, Servable } from "../functions/servable.ts";
import { HandlerInstance } from "./handler-instance.ts";
import { InstancePool } from "./instance-pool.ts";
import { resolveLimits } from "./limits.ts";
import { LogIntake } from "./log-intake.ts";
import { prepareInstance } from "./prepare-instance.ts";
import { mapStack } from "./source-positions.ts";

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
  readonly #pool: InstancePool<HandlerInstance>;
  #map: Promise<string> | undefined;
  /** Instances so far. */
  #started = 0;
  #isDisposed = false;

  constructor(backends: Backends, version: HandlerVersion) {
    this.#backends = backends;
    this.#version = version;
    const { name, source } = version;
    this.#pool = new InstancePool({
      subject: `function '${name}'`,
      limits: resolveLimits(source.limits, backends.handlers.maxima),
      start: () => this.#start({ isTrial: false }),
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
   * @throws DawnletError as `InstancePool.take` and `HandlerInstance.fetch`; the detail `stack` of FUNCTION_FAILED names
   *   the bundle's files.
   */
  async fetch(request: Request, onEnd: () => void): Promise<HandlerResponse> {
    const { signal } = request;
    const place = await this.#pool.take(signal).catch((error: unknown) => {
      onEnd();
      throw error;
    });
    const end = (): void => {
      place[Symbol.dispose]();
      onEnd();
    };
    const response = await place.instance.fetch(request, signal, end).catch(async (error: unknown) => {
      throw await this.#withPositions(error);
    });
    return { response, timings: [["queue", place.waitedMs]] };
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
      limits: resolveLimits(source.limits, this.#backends.handlers.maxima),
      instances: this.#pool.instances.length,
      running: this.#pool.running,
      waiting: this.#pool.waiting,
    };
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#pool.dispose();
  }

  async #start({ isTrial }: { readonly isTrial: boolean }): Promise<HandlerInstance> {
    const { name, source } = this.#version;
    const { handlers, store } = this.#backends;
    const intake = this.#intake(++this.#started);
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
        onLog: (entry) => intake.note(entry),
        onBusy: (instance) => this.#pool.noteBusy(instance),
        onEnd: (instance, error) => {
          this.#pool.ended(instance);
          // Who deploys it is told.
          intake.ended(isTrial ? undefined : error?.message);
          if (error !== undefined)
            log.warn("an instance of {function} ended: {reason}", { function: name, reason: error.message });
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
    this.#map ??= this.#backends.store.blobs
      .read(this.#version.source.map)
      .then((bytes) => new TextDecoder().decode(bytes));
    return this.#map.then((map) => mapStack(text, map)).catch(() => text);
  }
}
