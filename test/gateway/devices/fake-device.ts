/** A device process in memory: notes what it is told in order, and ends runs and loads when a test says so. */
import type { DeviceLink } from "../../../gateway/devices/managed-device.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import type { DeviceMemory, OnLoaded } from "../../../runtime/device/api.ts";
import type { DeviceRun } from "../../../runtime/supervisor/device-process.ts";
import type { DeviceRunOptions } from "../../../runtime/supervisor/device-process-options.ts";

interface Running {
  readonly id: string;
  readonly onLoaded: OnLoaded | undefined;
  readonly settle: PromiseWithResolvers<DeviceRun>;
}

export class FakeDevice implements DeviceLink {
  readonly id: string;
  isUp = true;
  /** `run a`, `evict b`, `load c`, `unload d`, `drop w-e`. */
  readonly told: string[] = [];
  readonly running: Running[] = [];
  memoryInUse: Partial<DeviceMemory> = {};
  /** Thrown by loads while set. */
  loadFailure: DawnletError | undefined;
  /** Thrown by reads of tensors, one each. */
  readonly readFailures: DawnletError[] = [];
  readonly health: DeviceLink["health"] = undefined as never;

  constructor(id = "device0") {
    this.id = id;
  }

  run(
    program: { readonly id: string },
    _inputs: unknown,
    { onLoaded }: DeviceRunOptions = {},
  ): Promise<DeviceRun> {
    this.told.push(`run ${program.id}`);
    const settle = Promise.withResolvers<DeviceRun>();
    this.running.push({ id: program.id, onLoaded, settle });
    return settle.promise;
  }

  async load(program: { readonly id: string }) {
    this.told.push(`load ${program.id}`);
    if (this.loadFailure !== undefined) throw this.loadFailure;
    return { pipelinesMs: 0, uploadMs: 0, totalMs: 0, uploadedBytes: 0 };
  }

  async evict(id: string): Promise<void> {
    this.told.push(`evict ${id}`);
  }

  async dropHost(digests: readonly string[]): Promise<void> {
    this.told.push(`drop ${digests.join()}`);
  }

  async unload(id: string): Promise<void> {
    this.told.push(`unload ${id}`);
  }

  async memory(): Promise<DeviceMemory> {
    return {
      ...{
        budgetBytes: 0,
        weightBytes: 0,
        activationBytes: 0,
        constantBytes: 0,
        stagingBytes: 0,
        tensorBytes: 0,
        sessionBytes: 0,
        totalBytes: 0,
      },
      ...{ loadedPrograms: 0, residentPrograms: [], loadingPrograms: [], placedBytes: 0, lanes: 0 },
      laneLimits: [],
      ...{ hostBytes: 0, hostBudgetBytes: 0, pipelines: 0 },
      ...this.memoryInUse,
    };
  }

  readonly tensors = new Map<string, Uint8Array>();

  async readTensor({ id }: { readonly id: string }): Promise<Uint8Array> {
    this.told.push(`read ${id}`);
    const failure = this.readFailures.shift();
    if (failure !== undefined) throw failure;
    return this.tensors.get(id)!;
  }

  async releaseTensors(tensors: readonly { readonly id: string }[]): Promise<void> {
    this.told.push(`release ${tensors.map(({ id }) => id).join()}`);
  }

  describe(): never {
    throw new TypeError("not asked for here");
  }

  checkShader(): never {
    throw new TypeError("not asked for here");
  }

  openSession(): never {
    throw new TypeError("not asked for here");
  }

  async pid(): Promise<number | undefined> {
    return undefined;
  }

  async stop(): Promise<void> {}

  /** Says of all runs of a Program that its weights have come in. */
  loaded(id: string, uploadMs: number, uploadedBytes: number): void {
    for (const one of this.running) if (one.id === id) one.onLoaded?.({ uploadMs, uploadedBytes });
  }

  /** Ends the oldest run of a Program. @param loadMs that it says the weights took to come in. @param gpuMs it took. */
  end(id: string, error?: DawnletError, loadMs = 0, gpuMs = 1): void {
    const index = this.running.findIndex((one) => one.id === id);
    const [{ settle }] = this.running.splice(index, 1) as [Running];
    const timing = { loadMs, queueMs: 0, encodeMs: 0, executeMs: 1, gpuMs };
    if (error === undefined) settle.resolve({ outputs: [], timing, loadMs, device: this.id });
    else settle.reject(error);
  }

  /** As the device says that there is no room after all. */
  endShort(id: string, neededBytes: number): void {
    this.end(id, new DawnletError("OUT_OF_MEMORY", "no room", { details: { neededBytes } }));
  }
}
