/**
 * One device process that is ready, and what it has been told: Programs are sent to it once, before their first run.
 * It knows nothing of other processes, before or after.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type {
  DeviceDescription,
  LoadOptions,
  LoadTiming,
  OnLoaded,
  RunOutput,
  RunRequest,
  RunResult,
  RunTiming,
} from "../device/api.ts";
import type { DeviceClient } from "../device/protocol.ts";
import type { DeviceValue } from "./device-tensor.ts";
import type { GpuSessions } from "./gpu-sessions.ts";
import { defaultTimeLimitMs } from "./time-limit.ts";

/** A Program as the store keeps it. */
export interface StoredProgram {
  readonly id: string;
  readonly options: LoadOptions;
  /** How long one run may take on the device; see time-limit.ts. Left out: the default. */
  readonly timeLimitMs?: number;
  /** What it reads, for whoever decides what is on the device. */
  readonly weights?: ReadonlyArray<{ readonly digest: string; readonly sizeBytes: number }>;
  readJson(): Promise<Uint8Array>;
}

export interface DeviceRun<Output extends DeviceValue = Uint8Array> {
  /** By position in `Program.outputs`. */
  readonly outputs: readonly Output[];
  readonly timing: RunTiming;
  /** Time that this run waited for its Program and its weights; 0 where they were there. */
  readonly loadMs: number;
  /** Which device ran it: `DeviceProcess.id`. */
  readonly device: string;
}

/** The same as one device process says it. */
interface SentRun extends RunResult<RunOutput> {
  readonly loadMs: number;
}

/** A load that has left. Wrapped, because who waits for this does not wait for its reply. */
interface Sent {
  readonly load: Promise<LoadTiming>;
}

export class OpenedDevice {
  readonly client: DeviceClient;
  readonly sessions: GpuSessions;
  readonly description: DeviceDescription;
  /** By `performance.now()`. */
  readonly openedAt = performance.now();
  /** Loads that were sent, by Program id. One that fails is forgotten. */
  readonly #loads = new Map<string, Promise<LoadTiming>>();
  /** Programs that are read, to be sent. */
  readonly #reading = new Map<string, Promise<Sent>>();
  readonly #gone = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(client: DeviceClient, sessions: GpuSessions, description: DeviceDescription) {
    this.client = client;
    this.sessions = sessions;
    this.description = description;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** It cannot be reached any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Settles when its process was found to be gone. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  end(): void {
    this.#gone.resolve();
  }

  isLoaded(id: string): boolean {
    return this.#loads.has(id);
  }

  /** @returns whether the Program had been sent. */
  forget(id: string): boolean {
    return this.#loads.delete(id);
  }

  /** @param onLoaded as DeviceApi.run has it. */
  async run(
    program: StoredProgram,
    request: Omit<RunRequest, "program">,
    onLoaded?: OnLoaded,
  ): Promise<SentRun> {
    const { id } = program;
    let waitedMs = 0;
    let load = this.#loads.get(id);
    if (load === undefined) {
      const startedAt = performance.now();
      load = (await this.#send(program)).load;
      waitedMs = performance.now() - startedAt;
    }
    try {
      // Right behind the load, for whose end it waits over there.
      const result = await this.client.run({ ...request, program: id }, onLoaded);
      return { ...result, loadMs: waitedMs + result.timing.loadMs };
    } catch (error) {
      // A Program that was refused as it arrived is unknown there. Why, its load says.
      if (isUnknownProgram(error)) await load;
      throw error;
    }
  }

  /** Also brings a Program in again that was loaded before and evicted. */
  async load(program: StoredProgram): Promise<LoadTiming> {
    const before = this.#loads.get(program.id);
    if (before === undefined) return (await this.#send(program)).load;
    await before;
    return this.client.reload(program.id);
  }

  /** Settles in the turn in which the load leaves. */
  #send(program: StoredProgram): Promise<Sent> {
    const { id } = program;
    const load = this.#loads.get(id);
    if (load !== undefined) return Promise.resolve({ load });
    let reading = this.#reading.get(id);
    if (reading === undefined) {
      reading = this.#read(program).finally(() => this.#reading.delete(id));
      this.#reading.set(id, reading);
    }
    return reading;
  }

  async #read(program: StoredProgram): Promise<Sent> {
    const { id, options, timeLimitMs = defaultTimeLimitMs } = program;
    const json = await program.readJson();
    const load = this.client.loadEncoded(id, json, { timeLimitMs, ...options });
    this.#loads.set(id, load);
    load.catch(() => {
      if (this.#loads.get(id) === load) this.#loads.delete(id);
    });
    return { load };
  }
}

/** And not a tensor. */
export function isUnknownProgram(error: unknown): boolean {
  return error instanceof DawnletError && error.code === "NOT_FOUND" && error.details?.tensor === undefined;
}
