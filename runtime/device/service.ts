/**
 * DeviceApi over a GPUDevice: the one owner of everything on it. Knows no process, port or file, so the same
 * code serves a device process, a worker thread and a Web Worker.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { Message } from "../port/port.ts";
import type {
  DeviceApi,
  DeviceDescription,
  DeviceMemory,
  LoadOptions,
  LoadTiming,
  OnLoaded,
  PlainRunRequest,
  RunOutput,
  RunRequest,
  RunResult,
  ShaderError,
  WeightSource,
} from "./api.ts";
import { BindGroupCache } from "./bind-group-cache.ts";
import { Executor } from "./executor.ts";
import { HostTier } from "./host-tier.ts";
import { KeptTensors } from "./kept-tensors.ts";
import { Layouts } from "./layouts.ts";
import { Ledger } from "./ledger.ts";
import { plainLimits } from "./limits.ts";
import { type LoadContext, LoadedProgram } from "./loaded-program.ts";
import { Pipelines } from "./pipelines.ts";
import { SessionHost } from "./session-host.ts";
import { defaultSliceMs } from "./slices.ts";
import { assumedChoice, type UploadChoice } from "./upload-path.ts";
import { Watchdog } from "./watchdog.ts";
import { Weights } from "./weights.ts";

export interface DeviceServiceOptions {
  readonly device: GPUDevice;
  readonly adapter: DeviceDescription["adapter"];
  readonly weights: WeightSource;
  readonly budgetBytes: number;
  /** Bytes of weights kept in host memory. Left out: none. */
  readonly hostBudgetBytes?: number | undefined;
  /** What `measureUpload` found on this adapter before. Left out: what is likely. */
  readonly upload?: UploadChoice | undefined;
  /** Left out: its own. */
  readonly layouts?: Layouts;
  /** For how long a part of a long run is to keep the GPU, in milliseconds: what waits behind it waits so much longer. Left out: 10. */
  readonly sliceMs?: number | undefined;
  /**
   * Runs find what other Programs left in activation memory: to see what they make of garbage, where nobody's bytes are
   * on the device. Left out: no.
   */
  readonly keepsLeftovers?: boolean;
  /** Called when work was submitted; `isWaiting` then says how long there is nothing else to do. */
  readonly onWait?: () => void;
}

/** Beyond these, what was used longest ago is made again when it is needed. */
const maxBindGroups = 16_384;
const maxPipelines = 4_096;

export class DeviceService implements DeviceApi {
  readonly #device: GPUDevice;
  readonly #adapter: DeviceDescription["adapter"];
  readonly #context: LoadContext;
  readonly #host: HostTier;
  readonly #executor: Executor;
  readonly #tensors: KeptTensors;
  readonly #watchdog = new Watchdog();
  readonly #onWait: () => void;
  #sessions: SessionHost | undefined;
  readonly #programs = new Map<string, LoadedProgram>();
  /** Loads under way of each. */
  readonly #loads = new Map<LoadedProgram, number>();
  /** Those of which no load has ended well yet. */
  readonly #untried = new Set<LoadedProgram>();
  /** Evicted Programs that keep their pipelines, in the order of eviction. */
  readonly #evicted = new Set<LoadedProgram>();

  constructor({
    device,
    adapter,
    weights,
    budgetBytes,
    hostBudgetBytes = 0,
    upload = assumedChoice(adapter.isSoftware),
    layouts = new Layouts(device),
    onWait = () => {},
    sliceMs = defaultSliceMs,
    keepsLeftovers = false,
  }: DeviceServiceOptions) {
    this.#device = device;
    this.#adapter = adapter;
    const ledger = new Ledger(device, budgetBytes);
    this.#host = new HostTier({ source: weights, budgetBytes: hostBudgetBytes });
    this.#context = {
      device,
      ledger,
      layouts,
      pipelines: new Pipelines(device),
      weights: new Weights(device, ledger, this.#host, upload),
      bindGroups: new BindGroupCache(maxBindGroups),
    };
    this.#tensors = new KeptTensors(device, ledger);
    this.#onWait = onWait;
    this.#executor = new Executor({
      ...{ device, ledger, onWait, sliceMs, keepsLeftovers },
      tensors: this.#tensors,
      watchdog: this.#watchdog,
    });
    device.lost.then(({ message }) => {
      this.#executor.fail(new DawnletError("DEVICE_LOST", `The GPU device was lost: ${message}`));
    });
  }

  get isWaiting(): boolean {
    if (!this.#executor.isIdle) return this.#executor.isWaiting;
    return this.#sessions?.isWaiting === true;
  }

  /** Lets others use the device through messages, which go to what is returned. To be called once. @param send takes the answers. */
  hostSessions(send: (message: Message) => void): SessionHost {
    const { device, ledger } = this.#context;
    const [watchdog, onWait] = [this.#watchdog, this.#onWait];
    this.#sessions = new SessionHost({ device, ledger, watchdog, onWait, send });
    return this.#sessions;
  }

  async describe(): Promise<DeviceDescription> {
    const { features, limits } = this.#device;
    return {
      adapter: this.#adapter,
      features: [...features].sort(),
      limits: plainLimits(limits),
      timing: (await this.#executor.checkClock()) ? "gpu" : "wall",
    };
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#context.pipelines.check(code);
  }

  async load(id: string, program: Program, options: LoadOptions): Promise<LoadTiming> {
    let loaded = this.#programs.get(id);
    if (loaded === undefined) {
      loaded = new LoadedProgram(this.#context, program, options);
      this.#programs.set(id, loaded);
      this.#untried.add(loaded);
      this.#host.addReader(loaded.weightDigests);
    }
    return this.#bringIn(id, loaded);
  }

  async reload(id: string): Promise<LoadTiming> {
    return this.#bringIn(id, this.#known(id));
  }

  async #bringIn(id: string, loaded: LoadedProgram): Promise<LoadTiming> {
    const others = this.#loads.get(loaded) ?? 0;
    this.#loads.set(loaded, others + 1);
    try {
      const timing = await loaded.load();
      this.#untried.delete(loaded);
      return timing;
    } catch (error) {
      // One that was evicted while it came in is as good as any evicted one.
      if (error instanceof DawnletError && error.code === "CANCELLED") this.#untried.delete(loaded);
      // A load that began meanwhile may find what this one did not.
      if (this.#untried.has(loaded) && this.#loads.get(loaded) === 1) this.#forget(id, loaded);
      throw error;
    } finally {
      const left = this.#loads.get(loaded)! - 1;
      if (left > 0) this.#loads.set(loaded, left);
      else this.#loads.delete(loaded);
    }
  }

  async evict(id: string): Promise<void> {
    const loaded = this.#programs.get(id);
    if (loaded === undefined) return;
    loaded.evict();
    this.#host.noteEviction();
    this.#evicted.delete(loaded);
    this.#evicted.add(loaded);
    this.#limitPipelines();
  }

  async dropHost(digests: readonly string[]): Promise<void> {
    this.#host.drop(digests);
  }

  async unload(id: string): Promise<void> {
    const loaded = this.#programs.get(id);
    if (loaded !== undefined) this.#forget(id, loaded);
  }

  run(request: PlainRunRequest, onLoaded?: OnLoaded): Promise<RunResult>;
  run(request: RunRequest, onLoaded?: OnLoaded): Promise<RunResult<RunOutput>>;
  async run(request: RunRequest, onLoaded?: OnLoaded): Promise<RunResult<RunOutput>> {
    return this.#executor.run(this.#known(request.program), request, onLoaded);
  }

  readTensor(id: string): Promise<Uint8Array> {
    return this.#executor.read(id);
  }

  async releaseTensors(ids: readonly string[]): Promise<void> {
    this.#tensors.release(ids);
  }

  async measureUpload(): Promise<UploadChoice> {
    const choice = await this.#context.weights.measureUpload();
    this.#context.weights.useUpload(choice);
    return choice;
  }

  async memory(): Promise<DeviceMemory> {
    const { ledger, pipelines, weights } = this.#context;
    const resident = [...this.#programs].filter(([, loaded]) => loaded.isResident).map(([id]) => id);
    return {
      budgetBytes: ledger.budgetBytes,
      weightBytes: ledger.bytes("weight"),
      activationBytes: ledger.bytes("activation"),
      constantBytes: ledger.bytes("constant"),
      stagingBytes: ledger.bytes("staging"),
      tensorBytes: ledger.bytes("tensor"),
      sessionBytes: ledger.bytes("session"),
      totalBytes: ledger.totalBytes,
      placedBytes: weights.placedBytes,
      loadedPrograms: this.#programs.size,
      residentPrograms: resident,
      loadingPrograms: resident.filter((id) => {
        const loaded = this.#programs.get(id)!;
        return this.#loads.has(loaded) || !loaded.isReady;
      }),
      lanes: this.#executor.lanes,
      laneLimits: this.#executor.laneLimits,
      pipelines: pipelines.size,
      hostBytes: this.#host.bytes,
      hostBudgetBytes: this.#host.budgetBytes,
    };
  }

  /** @throws DawnletError NOT_FOUND */
  #known(id: string): LoadedProgram {
    const loaded = this.#programs.get(id);
    if (loaded === undefined)
      throw new DawnletError("NOT_FOUND", `No Program '${id}' is loaded on this device`);
    return loaded;
  }

  #forget(id: string, loaded: LoadedProgram): void {
    if (this.#programs.get(id) !== loaded) return;
    this.#programs.delete(id);
    this.#untried.delete(loaded);
    this.#evicted.delete(loaded);
    loaded.unload();
    this.#host.removeReader(loaded.weightDigests);
    if (this.#programs.size > 0) return;
    this.#executor.trim();
    this.#context.weights.trim();
  }

  #limitPipelines(): void {
    for (const loaded of this.#evicted) {
      if (this.#context.pipelines.size <= maxPipelines) return;
      loaded.dropPipelines();
      this.#evicted.delete(loaded);
    }
  }

  /** Ends the device; pending runs are rejected. */
  destroy(): void {
    this.#executor.fail(new DawnletError("DEVICE_LOST", "The device process is stopping"));
    this.#device.destroy();
  }
}
