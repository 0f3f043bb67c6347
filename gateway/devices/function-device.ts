/** The devices as one version of a function sees it: what it runs there is its own, under its settings. */
import type { MemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { DeviceDescription, ShaderError } from "../../runtime/device/api.ts";
import type { DeviceTensor, DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { CallWishes } from "../dispatch/dispatched-call.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { PreparedProgram } from "../functions/prepared-call.ts";
import type { DeviceSet } from "./device-set.ts";
import type { ManagedRun } from "./managed-runs.ts";
import type { Misfit } from "./misfits.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";

export class FunctionDevice {
  readonly owner: ProgramOwner;
  readonly #devices: DeviceSet;
  /** Ids of the Programs that it has run or loaded. */
  readonly #owned = new Set<string>();
  /** Of the check at deploy. */
  #checked: readonly Misfit[] = [];
  #misfits: readonly Misfit[] | undefined;
  #misfitsVersion = 0;

  readonly #dispatcher: Dispatcher | undefined;

  /** @param dispatcher decides when and where calls run; left out: at once. */
  constructor(devices: DeviceSet, owner: ProgramOwner, dispatcher?: Dispatcher) {
    this.#devices = devices;
    this.owner = owner;
    this.#dispatcher = dispatcher;
  }

  /** Runs a call when its turn has come, maybe together with others. @throws DawnletError as Dispatcher.run. */
  submit(prepared: PreparedProgram, wishes: CallWishes): Promise<ManagedRun> {
    const { program, inputs, keep } = prepared;
    if (this.#dispatcher === undefined) return this.run(program, inputs, wishes.signal, keep);
    this.#own(program);
    return this.#dispatcher.run(this.owner, { ...wishes, prepared, own: this.#ownLater });
  }

  /** That it has run or loaded, in this order. */
  get programs(): readonly OwnedProgram[] {
    const { managed } = this.#devices.devices[0]!;
    return [...this.#owned].flatMap((id) => managed.owned(id)?.program ?? []);
  }

  /** Devices on which some of its Programs do not run; undefined where there are none. The same object until that changes. */
  get misfits(): readonly Misfit[] | undefined {
    const { misfitsVersion } = this.#devices;
    if (misfitsVersion === this.#misfitsVersion) return this.#misfits;
    this.#misfitsVersion = misfitsVersion;
    this.#noteMisfits();
    return this.#misfits;
  }

  /** Why it is not pinned, though its settings say so; undefined where it is, or need not be. */
  get unpinnedReason(): string | undefined {
    return this.owner.settings.pin ? this.#devices.unpinnedReason(this.owner, this.#owned) : undefined;
  }

  /** See DeviceSet.describeEach. */
  describeEach(): Promise<readonly DeviceDescription[]> {
    return this.#devices.describeEach();
  }

  /** Finds out which devices run a Program. @throws DawnletError as DeviceSet.check, where none does. */
  async check(program: OwnedProgram): Promise<void> {
    this.#checked = await this.#devices.check(this.owner, program);
    this.#noteMisfits();
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#devices.checkShader(this.owner, code);
  }

  /** @throws DawnletError as DeviceSet.run. */
  run(
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    signal?: AbortSignal,
    keep?: readonly boolean[],
  ): Promise<ManagedRun> {
    this.#own(program);
    return this.#devices.run(this.owner, program, inputs, { signal, keep });
  }

  /** On this device and no other. @throws DawnletError as DeviceSet.runOn. */
  runOn(
    device: number,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    signal?: AbortSignal,
  ): Promise<ManagedRun> {
    this.#own(program);
    return this.#devices.runOn(device, this.owner, program, inputs, { signal });
  }

  /** @throws DawnletError as DeviceSet.readTensor. */
  readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    return this.#devices.readTensor(tensor);
  }

  /** @throws DawnletError as DeviceSet.load. */
  load(program: OwnedProgram): Promise<void> {
    this.#own(program);
    return this.#devices.load(this.owner, program);
  }

  async unload(id: string): Promise<void> {
    if (!this.#owned.delete(id)) return;
    // The scheduler hears first that the weights have left.
    const released = this.#devices.release(this.owner, id);
    this.#dispatcher?.forget(this.owner, id);
    await released;
  }

  /** Takes effect on what is on the device already, and on when calls that wait may run. */
  configure(settings: MemorySettings, schedule = this.owner.schedule): void {
    this.owner.settings = settings;
    this.owner.schedule = schedule;
    this.#devices.configured(this.#owned);
    this.#dispatcher?.configured(this.owner);
  }

  #noteMisfits(): void {
    const found = this.#devices.misfitsOf(this.#owned);
    const known = new Set(found.map(({ device }) => device));
    const all = [...found, ...this.#checked.filter(({ device }) => !known.has(device))];
    this.#misfits = all.length > 0 ? all : undefined;
  }

  readonly #ownLater = (program: OwnedProgram) => this.#own(program);

  #own(program: OwnedProgram): void {
    if (this.#owned.has(program.id)) return;
    this.#owned.add(program.id);
    this.#devices.own(this.owner, program);
  }
}
