/**
 * DeviceApi over a GPUDevice: the one owner of everything on it. Knows no process, port or file, so the same
 * code serves a device process, a worker thread and a Web Worker.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Program } from "../../kernels/program/program.ts";
import type {
  DeviceApi,
  DeviceDescription,
  DeviceMemory,
  LoadOptions,
  LoadTiming,
  RunRequest,
  RunResult,
  ShaderError,
  WeightSource,
} from "./api.ts";
import { Executor } from "./executor.ts";
import { Layouts } from "./layouts.ts";
import { Ledger } from "./ledger.ts";
import { type LoadContext, LoadedProgram } from "./loaded-program.ts";
import { Pipelines } from "./pipelines.ts";
import { Weights } from "./weights.ts";

export interface DeviceServiceOptions {
  readonly device: GPUDevice;
  readonly adapter: DeviceDescription["adapter"];
  readonly weights: WeightSource;
  readonly budgetBytes: number;
  /** Left out: its own. */
  readonly layouts?: Layouts;
  /** Called when a round of runs was submitted; `isWaiting` then says how long there is nothing else to do. */
  readonly onWait?: () => void;
}

export class DeviceService implements DeviceApi {
  readonly #device: GPUDevice;
  readonly #adapter: DeviceDescription["adapter"];
  readonly #context: LoadContext;
  readonly #executor: Executor;
  readonly #programs = new Map<string, Promise<LoadedProgram>>();
  /** The loaded ones of `#programs`, for the hot path: no promise to wait for. */
  readonly #loaded = new Map<string, LoadedProgram>();

  constructor({
    device,
    adapter,
    weights,
    budgetBytes,
    layouts = new Layouts(device),
    onWait,
  }: DeviceServiceOptions) {
    this.#device = device;
    this.#adapter = adapter;
    const ledger = new Ledger(device, budgetBytes);
    this.#context = {
      device,
      ledger,
      layouts,
      pipelines: new Pipelines(device),
      weights: new Weights(device, ledger, weights),
    };
    this.#executor = new Executor(device, ledger, onWait);
    device.lost.then(({ message }) => {
      this.#executor.fail(new DawnletError("DEVICE_LOST", `The GPU device was lost: ${message}`));
    });
  }

  get isWaiting(): boolean {
    return this.#executor.isWaiting;
  }

  async describe(): Promise<DeviceDescription> {
    const limits: Record<string, number> = {};
    for (const name in this.#device.limits) {
      const value: unknown = this.#device.limits[name as keyof GPUSupportedLimits];
      if (typeof value === "number") limits[name] = value;
    }
    return { adapter: this.#adapter, features: [...this.#device.features].sort(), limits };
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#context.pipelines.check(code);
  }

  async load(id: string, program: Program, options: LoadOptions): Promise<LoadTiming> {
    let loading = this.#programs.get(id);
    if (loading === undefined) {
      loading = LoadedProgram.load(this.#context, program, options);
      this.#programs.set(id, loading);
      loading.then(
        (loaded) => {
          if (this.#programs.get(id) === loading) this.#loaded.set(id, loaded);
        },
        () => {
          if (this.#programs.get(id) === loading) this.#programs.delete(id);
        },
      );
    }
    return (await loading).timing;
  }

  async unload(id: string): Promise<void> {
    const loading = this.#programs.get(id);
    if (loading === undefined) return;
    this.#programs.delete(id);
    this.#loaded.delete(id);
    const loaded = await loading.catch(() => undefined);
    loaded?.unload();
    if (this.#programs.size === 0) this.#executor.trim();
  }

  run({ program: id, inputs }: RunRequest): Promise<RunResult> {
    const loaded = this.#loaded.get(id);
    if (loaded !== undefined) return this.#executor.run(loaded, inputs);
    return this.#runOnceLoaded(id, inputs);
  }

  async #runOnceLoaded(id: string, inputs: readonly Uint8Array[]): Promise<RunResult> {
    const loading = this.#programs.get(id);
    if (loading === undefined)
      throw new DawnletError("NOT_FOUND", `No Program '${id}' is loaded on this device`);
    return this.#executor.run(await loading, inputs);
  }

  async memory(): Promise<DeviceMemory> {
    const { ledger, pipelines } = this.#context;
    return {
      budgetBytes: ledger.budgetBytes,
      weightBytes: ledger.bytes("weight"),
      activationBytes: ledger.bytes("activation"),
      constantBytes: ledger.bytes("constant"),
      stagingBytes: ledger.bytes("staging"),
      totalBytes: ledger.totalBytes,
      loadedPrograms: this.#loaded.size,
      pipelines: pipelines.size,
    };
  }

  /** Ends the device; pending runs are rejected. */
  destroy(): void {
    this.#executor.fail(new DawnletError("DEVICE_LOST", "The device process is stopping"));
    this.#device.destroy();
  }
}
