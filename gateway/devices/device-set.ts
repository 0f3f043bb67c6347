/**
 * All devices of a gateway, as the rest of it uses them. Each run goes where a `Place` says; this sees to it that it
 * can go there: never to a device that cannot run the Program, with its tensors, and to another where one has no room or
 * does not come back. With one device nothing is asked, and a run costs what it costs on a ManagedDevice.
 */
import { getLogger } from "@logtape/logtape";
import type { DeviceDescription, DeviceMemory, ShaderError } from "../../runtime/device/api.ts";
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import { type DeviceTensor, type DeviceValue, tensorGone } from "../../runtime/supervisor/device-tensor.ts";
import type { GpuLink, GpuSessionOptions } from "../../runtime/supervisor/gpu-link.ts";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";
import type { ShaderTrials } from "../../runtime/supervisor/shader-trials.ts";
import type { EvictionPolicy } from "../scheduler/eviction/policy.ts";
import { leastQueued } from "../scheduler/placement/least-queued.ts";
import type { DeviceKind, Place, PlaceRequest } from "../scheduler/placement/place.ts";
import type { DeviceSetListener, ManagedDeviceListener } from "./device-events.ts";
import { DeviceMember } from "./device-member.ts";
import type { Estimates } from "./estimates.ts";
import { type DeviceLink, ManagedDevice } from "./managed-device.ts";
import type { ManagedRun } from "./managed-runs.ts";
import { type Misfit, Misfits, misfitOf, reasonOf } from "./misfits.ts";
import { type OwnedProgram, type ProgramOwner, tenantOf } from "./owner.ts";
import { PinHomes } from "./pin-homes.ts";
import { SessionPlaces } from "./session-places.ts";
import { Tenancy } from "./tenancy.ts";
import { areOn, holderOf, moved } from "./tensor-moves.ts";
import { allHealth, allMemory, weakest } from "./weakest.ts";

/** A device that is to be of the set. */
export interface SetDevice {
  /** Its id is the device's. */
  readonly link: DeviceLink;
  readonly kind: DeviceKind;
  /** See `deviceClassOf`. Left out: one of its own, its id. */
  readonly class?: string;
  /** What its process may allocate on the GPU in all. */
  readonly deviceBytes: number;
  /** The same for all devices on one adapter. Left out: its own. */
  readonly estimates?: Estimates;
  /** The same for all devices on one adapter. Left out: new shaders are compiled on the device itself. */
  readonly trials?: ShaderTrials | undefined;
}

export interface DeviceSetOptions {
  /** At least one. Their order is that of `PlacedDevice.index`. */
  readonly devices: readonly SetDevice[];
  /** Who leaves a device. */
  readonly policy: EvictionPolicy;
  /** Where runs go, where there are several devices. Left out: `leastQueued`. */
  readonly place?: Place;
  readonly listener?: DeviceSetListener;
  /** Left out: nobody shares them. */
  readonly tenancy?: Tenancy;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

const log = getLogger(["dawnlet", "devices"]);
const none: ReadonlySet<DeviceMember> = new Set();

export class DeviceSet {
  /** By `index`. */
  readonly devices: readonly DeviceMember[];
  readonly #only: DeviceMember | undefined;
  readonly #place: Place;
  readonly #listener: DeviceSetListener;
  readonly #misfits: Misfits;
  readonly #homes: PinHomes;
  /** Programs that are to be pinned and are not, as their tenants have no room for it, in the order in which they came. */
  readonly #unpinned = new Set<string>();
  readonly #sessions: SessionPlaces;

  constructor({ devices, policy, place = leastQueued, listener, now, tenancy }: DeviceSetOptions) {
    this.#homes = new PinHomes(tenancy ?? new Tenancy());
    this.#place = place;
    this.#listener = listener ?? {};
    this.devices = devices.map(({ link, kind, deviceBytes, estimates, ...rest }, index) => {
      const managed = new ManagedDevice({
        ...{ device: link, deviceBytes, policy },
        ...(estimates && { estimates }),
        ...(now && { now }),
        ...(tenancy && { tenancy }),
        isHome: (id: string) => this.#homes.has(id, index),
        listener: this.#listenerOf(index),
      });
      return new DeviceMember(index, { kind, class: rest.class ?? managed.id, trials: rest.trials }, managed);
    });
    this.#only = this.devices.length === 1 ? this.devices[0] : undefined;
    this.#misfits = new Misfits(this.devices);
    this.#sessions = new SessionPlaces(this.devices);
  }

  /**
   * Runs a Program on one of the devices. One that reads tensors of a device goes there; of several, to where most of
   * their bytes are, and the others are brought there.
   * @throws DawnletError as ManagedDevice.run.
   */
  run(
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions = {},
  ): Promise<ManagedRun> {
    if (this.#only !== undefined) return this.#only.managed.run(owner, program, inputs, options);
    return this.#runAmong({ owner, program, inputs, options }, none);
  }

  /** As `run`, on the device that a scheduler has chosen, or elsewhere where it cannot run there. @throws DawnletError as `run`. */
  runPlaced(
    device: number,
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions = {},
  ): Promise<ManagedRun> {
    if (this.#only !== undefined) return this.#only.managed.run(owner, program, inputs, options);
    return this.#runAmong({ owner, program, inputs, options, device }, none);
  }

  /**
   * Runs a Program on this device, by its `index`, whatever the others have and do.
   * @throws DawnletError as ManagedDevice.run; RangeError where there is no such device.
   */
  async runOn(
    device: number,
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions = {},
  ): Promise<ManagedRun> {
    return this.#device(device).run(owner, program, inputs, options);
  }

  /** Brings a Program onto a device: its home where it is pinned. @throws DawnletError as ManagedDevice.load. */
  async load(owner: ProgramOwner, program: OwnedProgram, signal?: AbortSignal): Promise<void> {
    this.own(owner, program);
    if (this.#only !== undefined) return this.#only.managed.load(owner, program, signal);
    const ranked = this.#homes.ranked(program, this.#misfits.among(program.id));
    const home = this.#homes.get(program.id);
    const first = home ?? this.#choose({ owner, program, inputs: [], options: { signal } }, none);
    let failure: unknown;
    for (const device of new Set([first, ...ranked])) {
      if (home !== undefined && !this.#setHome(program, device)) continue;
      try {
        return await device.managed.load(owner, program, signal);
      } catch (error) {
        failure ??= error;
        if (!this.#mayGoElsewhere(program, device, error, signal)) break;
      }
    }
    if (home !== undefined) this.#setHome(program, home);
    throw failure;
  }

  /**
   * Loads a Program on every device that has room for it and unloads it again, once its shaders have passed their trial.
   * @returns on which it does not run.
   * @throws DawnletError as ManagedDevice.load, where it runs on none.
   */
  async check(owner: ProgramOwner, program: OwnedProgram): Promise<readonly Misfit[]> {
    const failures: unknown[] = [];
    const misfits: Misfit[] = [];
    const tried = new Map<ShaderTrials | undefined, Promise<void> | undefined>();
    for (const { id, managed, trials } of this.devices) {
      try {
        if (!tried.has(trials)) tried.set(trials, trials?.compile(tenantOf(owner), program));
        await tried.get(trials);
        await managed.load(owner, program);
      } catch (error) {
        const misfit = misfitOf(error);
        if (misfit === undefined) throw error;
        failures.push(error);
        if (misfit === "lasting") misfits.push({ device: id, reason: reasonOf(error) });
      } finally {
        await managed.release(owner, program.id);
      }
    }
    if (failures.length === this.devices.length) throw failures[0];
    return misfits;
  }

  /**
   * For a scheduler: brings a Program that some function owns onto this device. Does nothing where it is there.
   * @throws DawnletError as ManagedDevice.load; RangeError for what nobody owns.
   */
  loadOn(device: number, id: string, signal?: AbortSignal): Promise<void> {
    const { managed } = this.#device(device);
    const { owner, program } = managed.owned(id) ?? {};
    if (owner === undefined || program === undefined)
      return Promise.reject(new RangeError(`No function has a Program '${id}'`));
    return managed.load(owner, program, signal);
  }

  /**
   * For a scheduler: has a Program leave this device. @param reason for the operator.
   * @returns false where it is not there, or is in use or pinned.
   */
  evictFrom(device: number, id: string, reason?: string): boolean {
    return this.#device(device).managed.evict(id, reason);
  }

  /** Lets copies of weights in host memory go, on all devices. @throws DawnletError what a device process says. */
  async dropHost(digests: readonly string[]): Promise<void> {
    await Promise.all(this.devices.map(({ managed }) => managed.dropHost(digests)));
  }

  /** A Program is used by this owner too. Costs nothing where that is known. */
  own(owner: ProgramOwner, program: OwnedProgram): void {
    for (const { managed } of this.devices) managed.own(owner, program);
    this.#settle(program.id);
  }

  /** An owner does without a Program: it leaves all devices with its last owner, once its runs are done. */
  async release(owner: ProgramOwner, id: string): Promise<void> {
    await Promise.all(this.devices.map(({ managed }) => managed.release(owner, id)));
    this.#settle(id);
    if (this.#only === undefined && this.devices[0]!.managed.owned(id) === undefined)
      this.#misfits.forget(id);
  }

  /** Their owner's settings changed. */
  configured(ids: ReadonlySet<string>): void {
    for (const id of ids) this.#settle(id);
    for (const { managed } of this.devices) managed.configured(ids);
  }

  /** Weights make room for what it takes to read it. @throws DawnletError as DeviceProcess.readTensor. */
  async readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    const device = this.devices.find(({ id }) => id === tensor.device);
    if (device === undefined) throw tensorGone();
    return device.managed.readTensor(tensor);
  }

  /** No run that reads them may be under way. */
  async releaseTensors(tensors: readonly DeviceTensor[]): Promise<void> {
    if (this.#only !== undefined) return this.#only.managed.releaseTensors(tensors);
    await Promise.all(
      this.devices.map(({ id, managed }) => {
        const held = tensors.filter(({ device }) => device === id);
        return held.length > 0 ? managed.releaseTensors(held) : undefined;
      }),
    );
  }

  /** Sessions of one group are on one device. @throws DawnletError as DeviceProcess.openSession. */
  openSession(options: GpuSessionOptions): Promise<GpuLink> {
    return this.#sessions.open(options);
  }

  /** What all devices can do, and the adapter of the first. Those that never started are left out, unless all are. */
  async describe(): Promise<DeviceDescription> {
    return weakest(await this.describeEach());
  }

  /** Of those that were ready once, in their order. @throws DawnletError where none was. */
  async describeEach(): Promise<readonly DeviceDescription[]> {
    const asked = await Promise.allSettled(this.devices.map((device) => device.describe()));
    const known = asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const [first] = asked;
    if (known.length === 0 && first?.status === "rejected") throw first.reason;
    return known;
  }

  /** Of all devices together. */
  async memory(): Promise<DeviceMemory> {
    return allMemory(await Promise.all(this.devices.map(({ managed }) => managed.memory())));
  }

  /** Of all devices together. */
  get health(): DeviceHealth {
    return allHealth(this.devices.map(({ managed }) => managed.health));
  }

  /** @throws DawnletError as ShaderTrials.checkShader. */
  checkShader(owner: ProgramOwner, code: string): Promise<readonly ShaderError[]> {
    const { managed, trials } = this.devices.find(({ isUp }) => isUp) ?? this.#device(0);
    return trials === undefined ? managed.checkShader(code) : trials.checkShader(tenantOf(owner), code);
  }

  /** Of the process of a device, where one runs. */
  pid(device = 0): Promise<number | undefined> {
    return this.#device(device).managed.pid();
  }

  /** Devices on which some of these Programs do not run. */
  misfitsOf(ids: Iterable<string>): readonly Misfit[] {
    return this.#misfits.of(ids);
  }

  /** Why some of these Programs, which their owner wants pinned, are not; undefined where they are. */
  unpinnedReason(owner: ProgramOwner, ids: Iterable<string>): string | undefined {
    for (const id of ids) {
      const program = this.#unpinned.has(id) ? this.devices[0]!.managed.owned(id)?.program : undefined;
      if (program === undefined) continue;
      const [first] = this.#homes.ranked(program, this.#misfits.among(id));
      return this.#homes.refusal(program, first!, owner);
    }
    return undefined;
  }

  /** Changes with what `misfitsOf` may say. */
  get misfitsVersion(): number {
    return this.#misfits.version;
  }

  /** A device process says that its `isUp` has changed. */
  upChanged(device: number, isUp: boolean): void {
    if (isUp) this.#listener.up?.(device);
    else this.#listener.down?.(device);
  }

  async stop(): Promise<void> {
    const trials = new Set(this.devices.flatMap((device) => device.trials ?? []));
    await Promise.all([...this.devices.map(({ managed }) => managed), ...trials].map((one) => one.stop()));
  }

  async #runAmong(request: PlaceRequest, failed: ReadonlySet<DeviceMember>): Promise<ManagedRun> {
    const { owner, program, inputs, options } = request;
    const device = this.#choose(request, failed);
    const values = areOn(inputs, device.id)
      ? inputs
      : await moved(inputs, device.id, (tensor) => this.readTensor(tensor));
    try {
      return await device.run(owner, program, values, options);
    } catch (error) {
      const tried = new Set([...failed, device]);
      if (!this.#mayGoElsewhere(program, device, error, options.signal)) throw error;
      if (this.#misfits.among(program.id).every((one) => tried.has(one))) throw error;
      return this.#runAmong(request, tried);
    }
  }

  /** @param failed that were tried before; at least one is left. */
  #choose(request: PlaceRequest, failed: ReadonlySet<DeviceMember>): DeviceMember {
    const fitting = this.#misfits.among(request.program.id);
    const devices = failed.size === 0 ? fitting : fitting.filter((device) => !failed.has(device));
    for (const device of devices) if (!device.isUp) device.wake();
    const wanted = devices.find(({ index }) => index === request.device);
    if (wanted !== undefined) return wanted;
    const holder = holderOf(request.inputs);
    const holding = holder === undefined ? undefined : devices.find(({ id }) => id === holder);
    if (holding !== undefined) return holding;
    if (devices.length === 1) return devices[0]!;
    const index = this.#place(request, devices);
    const chosen = devices.find((device) => device.index === index);
    if (chosen !== undefined) return chosen;
    throw new RangeError(
      `Cannot place a run of '${request.program.id}' on device ${index}: it is not among those to choose from`,
    );
  }

  #mayGoElsewhere(
    program: OwnedProgram,
    device: DeviceMember,
    error: unknown,
    signal: AbortSignal | undefined,
  ): boolean {
    const misfit = misfitOf(error);
    if (misfit === undefined || signal?.aborted) return false;
    if (misfit === "lasting") this.#misfits.note(program.id, device, error);
    log.debug("{program} goes elsewhere than {device}: {error}", {
      ...{ program: program.id, device: device.id, error },
    });
    return true;
  }

  /** Gives what has become pinned a home, and takes it from what is pinned no more. What has none may have one then. */
  #settle(id: string): void {
    const had = this.#homes.get(id) !== undefined;
    this.#settleOne(id);
    if (had && this.#homes.get(id) === undefined) this.#settleUnpinned();
  }

  /** As much may be pinned as fits what the devices have now: what was pinned last goes first. */
  #budgetChanged(): void {
    for (const id of this.#homes.ids.toReversed()) this.#settleOne(id);
    this.#settleUnpinned();
  }

  #settleUnpinned(): void {
    for (const id of [...this.#unpinned]) this.#settleOne(id);
  }

  #settleOne(id: string): void {
    const { managed } = this.devices[0]!;
    const program = managed.isPinned(id) ? managed.owned(id)?.program : undefined;
    if (program === undefined) {
      this.#unpinned.delete(id);
      this.#takeHome(id);
      return;
    }
    const home = this.#homes.get(id);
    if (home !== undefined && this.#setHome(program, home)) return;
    const others = this.#homes.ranked(program, this.#misfits.among(id));
    if (others.some((device) => this.#setHome(program, device))) return;
    this.#unpinned.add(id);
    this.#takeHome(id);
  }

  #takeHome(id: string): void {
    const before = this.#homes.get(id);
    if (before === undefined) return;
    this.#homes.delete(id);
    before.managed.configured([id]);
    this.#listener.pinned?.(id);
  }

  /** @returns false, and all is as before, where it may not be pinned there. */
  #setHome(program: OwnedProgram, device: DeviceMember): boolean {
    const { id } = program;
    const before = this.#homes.get(id);
    const pinning = device.managed.ownersOf(id).filter(({ settings }) => settings.pin);
    if (!this.#homes.set(program, device, pinning)) return false;
    this.#unpinned.delete(id);
    if (before === device) return true;
    for (const one of [before, device]) one?.managed.configured([id]);
    this.#listener.pinned?.(id);
    return true;
  }

  #listenerOf(device: number): ManagedDeviceListener {
    const listener = this.#listener;
    return {
      resident: (id) => listener.resident?.(device, id),
      evicted: (id, reason) => listener.evicted?.(device, id, reason),
      budget: (bytes) => {
        // First: what has to be pinned no more leaves room to others.
        this.#budgetChanged();
        listener.budget?.(device, bytes);
      },
      loadMeasured: (id, bytes, ms) => listener.loadMeasured?.(device, id, bytes, ms),
      ran: (id, timing) => listener.ran?.(device, id, timing),
    };
  }

  #device(index: number): DeviceMember {
    const device = this.devices[index];
    if (device === undefined) throw new RangeError(`There is no device ${index}`);
    return device;
  }
}
