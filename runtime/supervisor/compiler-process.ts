/**
 * The compiler process as deploys use it: one compilation at a time, the process kept for a few seconds in case
 * more deploys follow, and ended after a number of them, because ORT's heap never shrinks.
 */
import {
  type CompileParams,
  type CompileProgress,
  type CompileReply,
  CompilerClient,
  type ModelDescription,
  type ModelSource,
} from "../compiler/protocol.ts";
import type { AdapterChoice, DeviceBounds } from "../device/open.ts";
import type { Platform } from "../platform/platform.ts";
import { Child } from "./child.ts";

export interface CompilerProcessOptions {
  readonly platform: Platform;
  /** Names the adapter to the process that opens it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly adapter: AdapterChoice;
  /** What all devices have that are to run what is compiled. Left out: they are on this adapter. */
  readonly most?: () => Promise<DeviceBounds>;
  readonly onLine: (line: string) => void;
}

const idleMs = 5_000;
const compilationsPerProcess = 32;
/** Weights of models compiled by one process, beyond which the next gets a new one. */
const modelBytesPerProcess = 512 * 2 ** 20;

export interface Compiled {
  readonly reply: CompileReply;
  readonly programJson: Uint8Array | undefined;
}

export class CompilerProcess {
  readonly #child: Child<CompilerClient>;
  readonly #adapter: AdapterChoice;
  readonly #most: (() => Promise<DeviceBounds>) | undefined;
  #previous: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #compilations = 0;
  #modelBytes = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor({ platform, environment, adapter, most, onLine }: CompilerProcessOptions) {
    this.#adapter = adapter;
    this.#most = most;
    this.#child = new Child({
      platform,
      environment,
      onLine,
      entry: new URL("../compiler/main.ts", import.meta.url),
      name: "the compiler process",
      closedCode: "UNSUPPORTED_MODEL",
      prepare: async (rpc) => new CompilerClient(rpc),
    });
  }

  /**
   * @param limitMs from the begin of the work; waiting for other deploys does not count.
   * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL, DEADLINE_EXCEEDED.
   */
  inspect(source: ModelSource, limitMs: number): Promise<ModelDescription> {
    return this.#inTurn(async (client) => {
      const signal = AbortSignal.timeout(limitMs);
      try {
        return await client.inspect(source, signal);
      } catch (error) {
        // A model that keeps ORT busy must not keep the deploys after it waiting.
        if (signal.aborted) await this.#child.stop();
        throw error;
      }
    });
  }

  /**
   * @param modelBytes size of the model and its files, which decides when the process is replaced.
   * @param limitMs as for `inspect`.
   * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL, DEADLINE_EXCEEDED.
   */
  compile(
    params: Omit<CompileParams, "adapter" | "most">,
    modelBytes: number,
    limitMs: number,
    onProgress: (progress: CompileProgress) => void,
  ): Promise<Compiled> {
    return this.#inTurn(async (client) => {
      this.#compilations++;
      this.#modelBytes += modelBytes;
      try {
        const signal = AbortSignal.timeout(limitMs);
        const { features, limits } = (await this.#most?.()) ?? {};
        const most = features && limits && { features, limits };
        return await client.compile(
          { ...params, adapter: this.#adapter, ...(most && { most }) },
          { signal, onProgress },
        );
      } catch (error) {
        // What ORT's fault left behind is unknown.
        await this.#child.stop();
        throw error;
      }
    });
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    await this.#child.stop();
  }

  async #inTurn<T>(work: (client: CompilerClient) => Promise<T>): Promise<T> {
    this.#waiting++;
    clearTimeout(this.#idleTimer);
    const turn = this.#previous.then(async () => {
      if (this.#compilations >= compilationsPerProcess || this.#modelBytes >= modelBytesPerProcess)
        await this.#retire();
      return work(await this.#child.get());
    });
    this.#previous = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      if (--this.#waiting === 0) this.#idleTimer = setTimeout(() => this.#retire(), idleMs);
    }
  }

  async #retire(): Promise<void> {
    await this.#child.stop();
    this.#compilations = 0;
    this.#modelBytes = 0;
  }
}
