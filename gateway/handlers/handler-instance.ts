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
import {
  cpuExceeded,
  memoryExceeded,
  requestTooLarge,
  responseTooLarge,
  timeoutExceeded,
} from "./exceeded.ts";
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
  /** False where a line of its log is to be dropped. */
  readonly takesLog: () => boolean;
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

interface Background extends Call {
  readonly timer: ReturnType<typeof setTimeout>;
}

/** How long a process whose call has taken too long may take to show that it is not stuck. */
const pingTimeoutMs = 2000;
/** A process that has computed for so long is asked whether it still hears. */
const pingAfterCpuMs = 100;
/** A module may be evaluated for as long as a request may take, and at least this long: it may open models. */
const leastStartMs = 10_000;
const log = getLogger(["dawnlet", "handlers"]);

export class HandlerInstance implements PooledInstance, Watched {
  readonly #options: InstanceOptions;
  readonly #services: InstanceServices;
  readonly #handler: HandlerLink;
  readonly #account = new ProcessorAccount<Call>();
  #background: Background | undefined;
  #cpuMs = 0;
  /** What the process had used when it was last known to hear; what it did before its first look is not counted. */
  #heardAtCpuMs: number | undefined;
  #isPinged = false;
  /** Why it ended; undefined while it has not. */
  #end: DawnletError | undefined;

  /** @throws DawnletError as `IsolateProcess.start`; FUNCTION_LIMIT. */
  static async start(options: InstanceOptions): Promise<HandlerInstance> {
    const instance = new HandlerInstance(options);
    await instance.#start();
    return instance;
  }

  private constructor(options: InstanceOptions) {
    this.#options = options;
    this.#services = options.services((error) => this.end(error));
    // Before others hear of it, who would give another reason.
    void options.process.closed.then(() => this.end(endedError(this.#name)));
    this.#handler = options.process.connect({
      host: this.#services.host,
      fetch: (request) => this.#services.fetch(request),
      gpu: (device, message) => this.#services.gpu(device, message),
      noted: (note) => this.#noted(note),
      takesNotes: (isBackground) => isBackground || options.takesLog(),
    });
    this.#services.connected(this.#handler);
    options.watch.add(this);
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
   * @param onEnd called once, when the response has been received whole, or will never be, and others may be asked for.
   * @param waitedMs for which the request has waited: they count.
   * @throws DawnletError FUNCTION_FAILED, FUNCTION_LIMIT, DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE, PAYLOAD_TOO_LARGE;
   *   others as `strangersError` lets them pass.
   */
  async fetch(
    request: PlainRequest,
    client: AbortSignal,
    onEnd: () => void,
    waitedMs = 0,
  ): Promise<PlainResponse> {
    const { timeoutMs, requestBytes, responseBytes } = this.#options.limits;
    let sent: SentRequest | undefined;
    let isGivenUp = false;
    const fail = (error: DawnletError): void => {
      isGivenUp = true;
      sent?.giveUp(error);
    };
    const call: Call = { cpuMs: 0, fail };
    let isLate = false;
    const timer = setTimeout(
      () => {
        isLate = true;
        fail(timeoutExceeded(this.#name, timeoutMs));
      },
      Math.max(0, timeoutMs - waitedMs),
    );
    const giveUp = (): void => fail(abortError(client, "the call"));
    client.addEventListener("abort", giveUp, { once: true });
    this.#account.begin(call);
    this.#options.watch.wake();
    const end = (): void => {
      clearTimeout(timer);
      client.removeEventListener("abort", giveUp);
      this.#account.end(call, !isGivenUp);
      // No other call gets its place before it is known whether the process is stuck.
      if (isLate) void this.#endIfStuck().then(onEnd);
      else onEnd();
    };
    try {
      if (client.aborted) throw abortError(client, "the call");
      sent = this.#handler.http.send(request, {
        deadlineMs: timeoutMs,
        requestLimitBytes: requestBytes,
        responseLimitBytes: responseBytes,
        tooLarge: (what) =>
          what === "request"
            ? requestTooLarge(this.#name, requestBytes)
            : responseTooLarge(this.#name, responseBytes),
        onEnd: end,
      });
    } catch (error) {
      end();
      throw this.#end ?? error;
    }
    return sent.response;
  }

  check({ cpuMs, ownBytes }: ProcessUsage): void {
    const { limits } = this.#options;
    this.#cpuMs = cpuMs;
    if (ownBytes > limits.memoryBytes) {
      this.end(memoryExceeded(this.#name, limits.memoryBytes));
      return;
    }
    this.#heardAtCpuMs ??= cpuMs;
    const unheardMs = cpuMs - this.#heardAtCpuMs;
    if (unheardMs > pingAfterCpuMs) void this.#ping();
    const over = this.#account.charge(cpuMs, performance.now(), limits.cpuMs);
    // Where many calls share the time, one that does not let go would have it for all of them.
    if (over.length === 0 && unheardMs <= limits.cpuMs && this.#account.nobodysMs <= limits.cpuMs) return;
    const error = cpuExceeded(this.#name, limits.cpuMs);
    for (const call of over) call.fail(error);
    // What computes does not hear that it is to stop.
    this.end(error);
  }

  /** Requests that it works on fail with the error. */
  end(error?: DawnletError): void {
    if (this.#end !== undefined) return;
    this.#end = error ?? endedError(this.#name);
    const { process, watch, onEnd } = this.#options;
    watch.remove(this);
    clearTimeout(this.#background?.timer);
    this.#handler.http.close(this.#end);
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
      const reason: unknown = controller.signal.aborted ? controller.signal.reason : (this.#end ?? error);
      this.end(reason instanceof DawnletError ? reason : undefined);
      throw reason;
    } finally {
      clearTimeout(timer);
      this.#account.end(call, true);
    }
  }

  async #ping(): Promise<void> {
    if (this.#isPinged) return;
    this.#isPinged = true;
    await this.#options.process.ping();
    this.#isPinged = false;
    this.#heardAtCpuMs = this.#cpuMs;
  }

  async #endIfStuck(): Promise<void> {
    if (this.#end !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), pingTimeoutMs);
    const isHeard = await Promise.race([this.#options.process.ping(), promise]);
    clearTimeout(timer);
    if (!isHeard) this.end(stuckError(this.#name));
  }

  #noted(note: ParsedNote): void {
    if (note.type === "log") {
      this.#options.onLog(note);
      return;
    }
    const isBusy = note.pending > 0;
    if (isBusy === this.isBusy) return;
    if (isBusy) {
      const { timeoutMs } = this.#options.limits;
      const timer = setTimeout(() => {
        log.warn("work of {name} for waitUntil took more than {timeoutMs} ms", {
          name: this.#name,
          timeoutMs,
        });
        this.#settleBackground(false);
      }, timeoutMs);
      timer.unref();
      this.#background = { cpuMs: 0, fail: () => {}, timer };
      this.#account.begin(this.#background);
      this.#options.watch.wake();
    } else this.#settleBackground(true);
    this.#options.onBusy(this);
  }

  #settleBackground(isDone: boolean): void {
    clearTimeout(this.#background!.timer);
    this.#account.end(this.#background!, isDone);
    this.#background = undefined;
    if (!isDone) this.#options.onBusy(this);
  }
}

function stuckError(name: string): DawnletError {
  return new DawnletError(
    "UNAVAILABLE",
    `Cannot finish the call as a process of function '${name}' does not answer any more and is replaced: call again`,
  );
}

function slowStart(name: string, startMs: number): DawnletError {
  return new DawnletError(
    "DEADLINE_EXCEEDED",
    `Cannot start function '${name}' as its module took longer than ${startMs} ms to be evaluated: raise its limit timeoutMs`,
  );
}
