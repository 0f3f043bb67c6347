/**
 * A compiler process: started when it is needed, kept for a few seconds in case more deploys follow, and ended after a
 * number of them, because ORT's heap never shrinks. Whose turn it is, compilers.ts decides: it is asked for one thing at
 * a time.
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

export type CompileRequest = Omit<CompileParams, "adapter" | "most">;

export interface CompileOptions {
  /** Size of the model and its files, which decides when the process is replaced. */
  readonly modelBytes: number;
  /** From the begin of the work; waiting for others does not count. */
  readonly limitMs: number;
  readonly onProgress: (progress: CompileProgress) => void;
}

export interface Compiled {
  readonly reply: CompileReply;
  readonly programJson: Uint8Array | undefined;
}

export class CompilerProcess {
  readonly #child: Child<CompilerClient>;
  readonly #adapter: AdapterChoice;
  readonly #most: (() => Promise<DeviceBounds>) | undefined;
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

  /** As Compilers.inspect. */
  inspect(source: ModelSource, limitMs: number): Promise<ModelDescription> {
    return this.#use(async (client) => {
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

  /** As Compilers.compile. */
  compile(params: CompileRequest, { modelBytes, limitMs, onProgress }: CompileOptions): Promise<Compiled> {
    return this.#use(async (client) => {
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

  async #use<T>(work: (client: CompilerClient) => Promise<T>): Promise<T> {
    clearTimeout(this.#idleTimer);
    if (this.#compilations >= compilationsPerProcess || this.#modelBytes >= modelBytesPerProcess)
      await this.#retire();
    try {
      return await work(await this.#child.get());
    } finally {
      this.#idleTimer = setTimeout(() => this.#retire(), idleMs);
    }
  }

  async #retire(): Promise<void> {
    await this.#child.stop();
    this.#compilations = 0;
    this.#modelBytes = 0;
  }
}
