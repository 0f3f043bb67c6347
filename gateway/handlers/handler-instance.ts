/**
 * One running instance of a handler: its process, the requests that it works on, what it may use. It ends when it is told
 * to, when its process does, and when it goes over a limit.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import type { StartParams } from "../../runtime/isolate/protocol.ts";
import type { ProcessUsage } from "../../runtime/platform/platform.ts";
import { abortError } from "../../runtime/port/abort-error.ts";
import type { PlainRequest, PlainResponse } from "../../runtime/port/fetch/heads.ts";
import type { SentRequest } from "../../runtime/port/fetch/outgoing-call.ts";
import type { ParsedNote } from "../../runtime/supervisor/isolate-messages.ts";
import {
  endedError,
  type HandlerLink,
  type IsolateProcess,
  type IsolateServices,
} from "../../runtime/supervisor/isolate-process.ts";
import { cpuExceeded, memoryExceeded } from "./exceeded.ts";
import type { PooledInstance } from "./instance-pool.ts";
import type { LimitWatch, Watched } from "./limit-watch.ts";
import type { HandlerLimits } from "./limits.ts";
import { ProcessorAccount } from "./processor-account.ts";

/** What one instance is given, and gives back at its end. */
export interface InstanceServices extends Pick<IsolateServices, "host" | "fetch" | "gpu">, Disposable {
  /** From now on messages can be sent. */
  connected(handler: HandlerLink): void;
}

export interface InstanceOptions {
  readonly process: IsolateProcess;
  readonly params: StartParams;
  readonly code: Uint8Array;
  readonly limits: HandlerLimits;
  readonly watch: LimitWatch;
  /** @param end ends the instance for a reason of the services'. */
  readonly services: (end: (error: DawnletError) => void) => InstanceServices;
  /** A line of its log. */
  readonly onLog: (note: Extract<ParsedNote, { type: "log" }>) => void;
  readonly onBusy: (instance: HandlerInstance) => void;
  /** @param error left out where it was told to. */
  readonly onEnd: (instance: HandlerInstance, error: DawnletError | undefined) => void;
}

interface Call {
  cpuMs: number;
  readonly fail: (error: DawnletError) => void;
}

/** A module may be evaluated for as long as a request may take, and at least this long: it may open models. */
const leastStartMs = 10_000;
const log = getLogger(["dawnlet", "handlers"]);

export class HandlerInstance implements PooledInstance, Watched {
  readonly #options: InstanceOptions;
  readonly #services: InstanceServices;
  readonly #handler: HandlerLink;
  readonly #account = new ProcessorAccount<Call>();
  #background: Call | undefined;
  #isEnded = false;

  /** @throws DawnletError as `IsolateProcess.start`; FUNCTION_LIMIT. */
  static async start(options: InstanceOptions): Promise<HandlerInstance> {
    const instance = new HandlerInstance(options);
    await instance.#start();
    return instance;
  }

  private constructor(options: InstanceOptions) {
    this.#options = options;
    this.#services = options.services((error) => this.end(error));
    this.#handler = options.process.connect({
      host: this.#services.host,
      fetch: (request) => this.#services.fetch(request),
      gpu: (device, message) => this.#services.gpu(device, message),
      noted: (note) => this.#noted(note),
    });
    this.#services.connected(this.#handler);
    options.watch.add(this);
    void options.process.closed.then(() => this.end(endedError(this.#name)));
  }

  /** It works for `waitUntil`. */
  get isBusy(): boolean {
    return this.#background !== undefined;
  }

  get isActive(): boolean {
    return !this.#account.isEmpty;
  }

  get #name(): string {
    return this.#options.params.function.name;
  }

  usage(): Promise<ProcessUsage | undefined> {
    return this.#options.process.usage();
  }

  /**
   * Asks the handler.
   * @param client ends the call.
   * @param onEnd called once, when the response has been received whole, or will never be.
   * @throws DawnletError FUNCTION_FAILED, FUNCTION_LIMIT, DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE.
   */
  async fetch(request: PlainRequest, client: AbortSignal, onEnd: () => void): Promise<PlainResponse> {
    const { timeoutMs, responseBytes } = this.#options.limits;
    let sent: SentRequest | undefined;
    let isGivenUp = false;
    const fail = (error: DawnletError): void => {
      isGivenUp = true;
      sent?.giveUp(error);
    };
    const call: Call = { cpuMs: 0, fail };
    const timer = setTimeout(() => fail(timeoutError(this.#name, timeoutMs)), timeoutMs);
    const giveUp = (): void => fail(abortError(client, "the call"));
    client.addEventListener("abort", giveUp, { once: true });
    this.#account.begin(call);
    this.#options.watch.wake();
    const end = (): void => {
      clearTimeout(timer);
      client.removeEventListener("abort", giveUp);
      this.#account.end(call, !isGivenUp);
      onEnd();
    };
    try {
      if (client.aborted) throw abortError(client, "the call");
      const options = { deadlineMs: timeoutMs, responseLimitBytes: responseBytes, onEnd: end };
      sent = this.#handler.http.send(request, options);
    } catch (error) {
      end();
      throw error;
    }
    return sent.response;
  }

  check({ cpuMs, ownBytes }: ProcessUsage): void {
    const { limits } = this.#options;
    if (ownBytes > limits.memoryBytes) {
      this.end(memoryExceeded(this.#name, limits.memoryBytes));
      return;
    }
    const over = this.#account.charge(cpuMs, performance.now(), limits.cpuMs);
    if (over.length === 0) return;
    const error = cpuExceeded(this.#name, limits.cpuMs);
    for (const call of over) call.fail(error);
    // What computes does not hear that it is to stop.
    this.end(error);
  }

  /** Requests that it works on fail with the error. */
  end(error?: DawnletError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { process, watch, onEnd } = this.#options;
    watch.remove(this);
    this.#handler.http.close(error ?? endedError(this.#name));
    process.kill();
    this.#services[Symbol.dispose]();
    onEnd(this, error);
  }

  async #start(): Promise<void> {
    const { process, params, code, watch, limits } = this.#options;
    const startMs = Math.max(limits.timeoutMs, leastStartMs);
    const controller = new AbortController();
    const call: Call = { cpuMs: 0, fail: (error) => controller.abort(error) };
    this.#account.begin(call);
    watch.wake();
    const timer = setTimeout(() => call.fail(slowStart(this.#name, startMs)), startMs);
    try {
      await process.start(params, code, controller.signal);
    } catch (error) {
      const reason: unknown = controller.signal.aborted ? controller.signal.reason : error;
      this.end(reason instanceof DawnletError ? reason : undefined);
      throw reason;
    } finally {
      clearTimeout(timer);
      this.#account.end(call, true);
    }
  }

  #noted(note: ParsedNote): void {
    if (note.type === "log") {
      this.#options.onLog(note);
      return;
    }
    const isBusy = note.pending > 0;
    if (isBusy === this.isBusy) return;
    if (isBusy) {
      this.#background = { cpuMs: 0, fail: () => {} };
      this.#account.begin(this.#background);
      this.#options.watch.wake();
      const { timeoutMs } = this.#options.limits;
      const begun = this.#background;
      const timer = setTimeout(() => {
        if (this.#background !== begun) return;
        log.warn("work of {name} for waitUntil took more than {timeoutMs} ms", {
          name: this.#name,
          timeoutMs,
        });
        this.#settleBackground(false);
      }, timeoutMs);
      timer.unref();
    } else this.#settleBackground(true);
    this.#options.onBusy(this);
  }

  #settleBackground(isDone: boolean): void {
    this.#account.end(this.#background!, isDone);
    this.#background = undefined;
    if (!isDone) this.#options.onBusy(this);
  }
}

function timeoutError(name: string, timeoutMs: number): DawnletError {
  return new DawnletError(
    "DEADLINE_EXCEEDED",
    `Cannot finish the call as function '${name}' took longer than its limit timeoutMs of ${timeoutMs} ms`,
    { details: { limit: "timeoutMs" } },
  );
}

function slowStart(name: string, startMs: number): DawnletError {
  return new DawnletError(
    "DEADLINE_EXCEEDED",
    `Cannot start function '${name}' as its module took longer than ${startMs} ms to be evaluated: raise its limit timeoutMs`,
  );
}
