/**
 * New shaders are compiled here first, in device processes that serve nobody: a driver's compiler can be made to work
 * for hours, or to crash, by a few lines, and only the end of its process stops it. Of each owner one trial at a time; a
 * process ends when nobody has needed it for a while.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { ShaderError } from "../device/api.ts";
import type { DeviceProcess } from "./device-process.ts";
import type { StoredProgram } from "./opened-device.ts";
import { Turns } from "./turns.ts";

export type TrialDevice = Pick<DeviceProcess, "describe" | "checkShader" | "load" | "unload" | "stop">;

export interface ShaderTrialsOptions {
  /** Device processes for this alone, each started when it is needed. With two of them one owner keeps nobody waiting. */
  readonly devices: readonly TrialDevice[];
  /** What compiling a module, or the pipelines of a Program, may take. Left out: 20 s. */
  readonly limitMs?: number;
  /** Left out: 10 s. */
  readonly idleMs?: number;
}

export class ShaderTrials {
  readonly #places: readonly TrialPlace[];
  readonly #turns: Turns;
  readonly #limitMs: number;

  constructor({ devices, limitMs = 20_000, idleMs = 10_000 }: ShaderTrialsOptions) {
    this.#places = devices.map((device) => new TrialPlace(device, idleMs));
    this.#turns = new Turns(devices.length);
    this.#limitMs = limitMs;
  }

  /** @throws DawnletError INVALID_SHADER where it takes too long; what the device process throws. */
  checkShader(owner: string, code: string): Promise<readonly ShaderError[]> {
    return this.#try(owner, (device) => device.checkShader(code));
  }

  /** Compiles a Program's pipelines; it has no weights. @throws DawnletError as `checkShader`, and as DeviceApi.load. */
  compile(owner: string, program: StoredProgram): Promise<void> {
    return this.#try(owner, async (device) => {
      await device.load(program);
      await device.unload(program.id);
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.stop()));
  }

  #try<T>(owner: string, work: (device: TrialDevice) => Promise<T>): Promise<T> {
    return this.#turns.run(owner, async (index) => {
      const place = this.#places[index]!;
      const outcome = await place.use((device) => inTime(() => work(device), this.#limitMs));
      if (outcome !== "late") return outcome.value;
      await place.stop();
      throw new DawnletError(
        "INVALID_SHADER",
        `Cannot compile this shader as the driver's compiler did not end within ${this.#limitMs / 1_000} s: make it smaller`,
      );
    });
  }
}

/** One process, used by one trial at a time. */
class TrialPlace {
  readonly #device: TrialDevice;
  readonly #idleMs: number;
  #idle: ReturnType<typeof setTimeout> | undefined;
  /** The process is on its way out: none may be asked for anything before. */
  #stopping: Promise<void> | undefined;

  constructor(device: TrialDevice, idleMs: number) {
    this.#device = device;
    this.#idleMs = idleMs;
  }

  async use<T>(work: (device: TrialDevice) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    await this.#stopping;
    try {
      // Its start is not the shader's fault.
      await this.#device.describe();
      return await work(this.#device);
    } finally {
      this.#idle = setTimeout(() => void this.stop(), this.#idleMs);
    }
  }

  stop(): Promise<void> {
    clearTimeout(this.#idle);
    this.#stopping ??= this.#device.stop().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }
}

async function inTime<T>(work: () => Promise<T>, limitMs: number): Promise<{ readonly value: T } | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), limitMs);
  });
  try {
    // What is late fails when its process ends.
    return await Promise.race([work().then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
