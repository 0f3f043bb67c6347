/**
 * The device process as a gateway uses it: started at once, started again when it ends, and a memory of what is
 * loaded on it, so that a Program is loaded once for concurrent callers and again after a restart.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type {
  DeviceDescription,
  DeviceMemory,
  LoadOptions,
  LoadTiming,
  RunResult,
  ShaderError,
} from "../device/api.ts";
import { deviceEntry, deviceProcessOptions } from "../device/entry.ts";
import { DeviceClient, type OpenParams } from "../device/protocol.ts";
import type { Platform } from "../platform/platform.ts";
import { Child } from "./child.ts";

export interface DeviceProcessOptions {
  readonly platform: Platform;
  /** Names the adapter to the process that opens it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly open: OpenParams;
  readonly onLine: (line: string) => void;
  readonly onExit: (wasWanted: boolean) => void;
}

/** A Program as the store keeps it. */
export interface StoredProgram {
  readonly id: string;
  readonly options: LoadOptions;
  readJson(): Promise<Uint8Array>;
}

interface Opened {
  readonly client: DeviceClient;
  readonly description: DeviceDescription;
  /** Loads by Program id, each shared by all who wait for it. */
  readonly loads: Map<string, Promise<LoadTiming>>;
  readonly loaded: Set<string>;
}

export interface DeviceRun extends RunResult {
  /** Time that this run waited for its Program to be loaded; 0 where it was. */
  readonly loadMs: number;
}

export class DeviceProcess {
  readonly #child: Child<Opened>;
  /** What is running now, for the hot path: no promise to wait for. */
  #current: Opened | undefined;
  /** Ids of Programs that have run here: they are not what a device is lost for. */
  readonly #proven = new Set<string>();

  constructor({ platform, environment, open, onLine, onExit }: DeviceProcessOptions) {
    this.#child = new Child<Opened>({
      platform,
      environment,
      onLine,
      onExit: (wasWanted) => {
        this.#current = undefined;
        onExit(wasWanted);
      },
      entry: deviceEntry,
      ...deviceProcessOptions,
      closedCode: "DEVICE_LOST",
      prepare: async (rpc) => {
        const client = new DeviceClient(rpc);
        const description = await client.open(open);
        this.#current = { client, description, loads: new Map(), loaded: new Set() };
        return this.#current;
      },
    });
  }

  /** Starts the process if none runs. @throws DawnletError NO_ADAPTER, UNAVAILABLE. */
  async describe(): Promise<DeviceDescription> {
    return (await this.#child.get()).description;
  }

  async memory(): Promise<DeviceMemory> {
    return (await this.#child.get()).client.memory();
  }

  async checkShader(code: string): Promise<readonly ShaderError[]> {
    return (await this.#child.get()).client.checkShader(code);
  }

  pid(): Promise<number | undefined> {
    return this.#child.pid();
  }

  /**
   * Runs a Program, loading it first where needed. One that has run before is run again, once, where the device was
   * lost under it.
   */
  run(program: StoredProgram, inputs: readonly Uint8Array[]): Promise<DeviceRun> {
    const opened = this.#current;
    const run = opened?.loaded.has(program.id)
      ? this.#runLoaded(opened, program.id, inputs, 0)
      : this.#loadAndRun(program, inputs);
    return run.catch((error: unknown) => {
      if (!this.#deservesAnother(program.id, error)) throw error;
      return this.#loadAndRun(program, inputs);
    });
  }

  /** Loads a Program, if it is not loaded. @throws DawnletError as DeviceApi.load. */
  async load(program: StoredProgram): Promise<LoadTiming> {
    const opened = await this.#child.get();
    let load = opened.loads.get(program.id);
    if (load === undefined) {
      load = program.readJson().then((json) => opened.client.loadEncoded(program.id, json, program.options));
      opened.loads.set(program.id, load);
      load.then(
        () => {
          if (opened.loads.get(program.id) === load) opened.loaded.add(program.id);
        },
        () => {
          if (opened.loads.get(program.id) === load) opened.loads.delete(program.id);
        },
      );
    }
    return load;
  }

  async unload(id: string): Promise<void> {
    this.#proven.delete(id);
    const opened = this.#current;
    if (opened === undefined || !opened.loads.delete(id)) return;
    opened.loaded.delete(id);
    await opened.client.unload(id);
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  async #loadAndRun(program: StoredProgram, inputs: readonly Uint8Array[]): Promise<DeviceRun> {
    const startedAt = performance.now();
    await this.load(program);
    const loadMs = performance.now() - startedAt;
    const opened = await this.#child.get();
    return this.#runLoaded(opened, program.id, inputs, loadMs);
  }

  async #runLoaded(
    opened: Opened,
    id: string,
    inputs: readonly Uint8Array[],
    loadMs: number,
  ): Promise<DeviceRun> {
    const result = await opened.client.run({ program: id, inputs });
    this.#proven.add(id);
    return { ...result, loadMs };
  }

  #deservesAnother(id: string, error: unknown): boolean {
    if (!(error instanceof DawnletError)) return false;
    // NOT_FOUND: a function with the same Program was removed between load and run.
    return error.code === "NOT_FOUND" || (error.code === "DEVICE_LOST" && this.#proven.has(id));
  }
}
