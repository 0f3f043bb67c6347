/** A managed device as one version of a function sees it: what it runs there is its own, under its settings. */
import type { MemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { DeviceDescription, ShaderError } from "../../runtime/device/api.ts";
import type { DeviceTensor, DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { ManagedDevice, ManagedRun } from "./managed-device.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";

export class FunctionDevice {
  readonly owner: ProgramOwner;
  readonly #device: ManagedDevice;
  /** Ids of the Programs that it has run or loaded. */
  readonly #owned = new Set<string>();

  constructor(device: ManagedDevice, owner: ProgramOwner) {
    this.#device = device;
    this.owner = owner;
  }

  describe(): Promise<DeviceDescription> {
    return this.#device.describe();
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#device.checkShader(code);
  }

  /** @throws DawnletError as ManagedDevice.run. */
  run(
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    signal?: AbortSignal,
    keep?: readonly boolean[],
  ): Promise<ManagedRun> {
    this.#own(program);
    return this.#device.run(this.owner, program, inputs, { signal, keep });
  }

  /** @throws DawnletError as ManagedDevice.readTensor. */
  readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    return this.#device.readTensor(tensor);
  }

  /** @throws DawnletError as ManagedDevice.load. */
  load(program: OwnedProgram): Promise<void> {
    this.#own(program);
    return this.#device.load(this.owner, program);
  }

  async unload(id: string): Promise<void> {
    if (this.#owned.delete(id)) await this.#device.release(this.owner, id);
  }

  /** Takes effect on what is on the device already. */
  configure(settings: MemorySettings): void {
    this.owner.settings = settings;
    this.#device.configured(this.#owned);
  }

  #own(program: OwnedProgram): void {
    if (this.#owned.has(program.id)) return;
    this.#owned.add(program.id);
    this.#device.own(this.owner, program);
  }
}
