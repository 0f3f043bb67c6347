/**
 * New shaders are compiled here first, in a device process that serves nobody: a driver's compiler can be made to work
 * for hours, or to crash, by a few lines, and only the end of its process stops it. One trial at a time, those of
 * different owners in turns; the process ends when nobody has needed it for a while.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { ShaderError } from "../device/api.ts";
import type { DeviceProcess } from "./device-process.ts";
import type { StoredProgram } from "./opened-device.ts";
import { Turns } from "./turns.ts";

export interface ShaderTrialsOptions {
  /** A device process for this alone; it is started when it is needed. */
  readonly device: Pick<DeviceProcess, "describe" | "checkShader" | "load" | "unload" | "stop">;
  /** What compiling a module, or the pipelines of a Program, may take. Left out: 20 s. */
  readonly limitMs?: number;
  /** Left out: 10 s. */
  readonly idleMs?: number;
}

export class ShaderTrials {
  readonly #device: ShaderTrialsOptions["device"];
  readonly #limitMs: number;
  readonly #idleMs: number;
  readonly #turns = new Turns();
  #idle: ReturnType<typeof setTimeout> | undefined;
  /** Trials that have no answer yet. */
  #open = 0;

  constructor({ device, limitMs = 20_000, idleMs = 10_000 }: ShaderTrialsOptions) {
    this.#device = device;
    this.#limitMs = limitMs;
    this.#idleMs = idleMs;
  }

  /** @throws DawnletError INVALID_SHADER where it takes too long; what the device process throws. */
  checkShader(owner: string, code: string): Promise<readonly ShaderError[]> {
    return this.#try(owner, () => this.#device.checkShader(code));
  }

  /** Compiles a Program's pipelines; it has no weights. @throws DawnletError as `checkShader`, and as DeviceApi.load. */
  compile(owner: string, program: StoredProgram): Promise<void> {
    return this.#try(owner, async () => {
      await this.#device.load(program);
      await this.#device.unload(program.id);
    });
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#device.stop();
  }

  async #try<T>(owner: string, work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    this.#open++;
    try {
      return await this.#turns.run(owner, () => this.#inTime(work));
    } finally {
      this.#open--;
      if (this.#open === 0) this.#idle = setTimeout(() => void this.#rest(), this.#idleMs);
    }
  }

  /** A turn of its own, so that no trial begins in a process that ends. */
  #rest(): Promise<void> {
    return this.#turns.run("", async () => {
      if (this.#open === 0) await this.#device.stop();
    });
  }

  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    // Its start is not the shader's fault.
    await this.#device.describe();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), this.#limitMs);
    });
    const working = work();
    // It fails when the process ends.
    working.catch(() => undefined);
    const outcome = await Promise.race([working.then((value) => ({ value })), late]);
    clearTimeout(timer);
    if (outcome !== "late") return outcome.value;
    await this.#device.stop();
    throw new DawnletError(
      "INVALID_SHADER",
      `Cannot compile this shader as the driver's compiler did not end within ${this.#limitMs / 1_000} s: make it smaller`,
    );
  }
}
