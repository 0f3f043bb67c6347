/**
 * A device whose memory is managed, put together: who owns which Program under what settings, runs (managed-runs.ts),
 * tensors, GPU sessions, and what weights may take (budget-watch.ts). Which Programs go, and who waits, residency.ts
 * decides, and device-room.ts does what it says.
 */
import type { DeviceDescription, DeviceMemory, ShaderError } from "../../runtime/device/api.ts";
import type { GroupUsage } from "../../runtime/device/session-messages.ts";
import type { DeviceProcess } from "../../runtime/supervisor/device-process.ts";
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import type { DeviceTensor, DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { GpuLink, GpuSessionOptions } from "../../runtime/supervisor/gpu-link.ts";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";
import type { EvictionPolicy } from "../scheduler/eviction/policy.ts";
import { BudgetWatch } from "./budget-watch.ts";
import type { ManagedDeviceListener } from "./device-events.ts";
import { DeviceRoom, type Waiter } from "./device-room.ts";
import { Estimates } from "./estimates.ts";
import type { EvictionLog } from "./eviction-log.ts";
import { KeepAlive } from "./keep-alive.ts";
import { type ManagedRun, ManagedRuns } from "./managed-runs.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";
import { PinnedReload } from "./pinned-reload.ts";
import { ProgramOwners } from "./program-owners.ts";
import type { ResidenceSettings } from "./residence.ts";
import { Residency } from "./residency.ts";
import { withRoom } from "./short-of-room.ts";
import { Tenancy } from "./tenancy.ts";
import { firstReserve } from "./weight-budget.ts";

/** The device process, as far as it is needed here. */
export type DeviceLink = Pick<
  DeviceProcess,
  | "describe"
  | "memory"
  | "checkShader"
  | "run"
  | "load"
  | "unload"
  | "evict"
  | "dropHost"
  | "readTensor"
  | "releaseTensors"
  | "openSession"
  | "stop"
  | "pid"
  | "health"
  | "id"
  | "isUp"
>;

export interface ManagedDeviceOptions {
  readonly device: DeviceLink;
  /** What the device process may allocate on the GPU in all. */
  readonly deviceBytes: number;
  readonly policy: EvictionPolicy;
  /** Shared by devices on one adapter. Left out: nothing is known yet, and nobody else wants to know. */
  readonly estimates?: Estimates;
  /** Left out: nobody shares it. */
  readonly tenancy?: Tenancy;
  /** Of a Program that is pinned: whether it is on this device. Left out: there is no other. */
  readonly isHome?: (id: string) => boolean;
  /** Is told after each change, in its turn. */
  readonly listener?: ManagedDeviceListener;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

export class ManagedDevice {
  /** What is measured here, and was before the start where somebody restores it. */
  readonly estimates: Estimates;
  readonly residency: Residency<Waiter>;
  readonly policy: EvictionPolicy;
  readonly deviceBytes: number;
  readonly #listener: ManagedDeviceListener | undefined;
  readonly #isHome: (id: string) => boolean;
  readonly #device: DeviceLink;
  readonly #now: () => number;
  readonly #runs: ManagedRuns;
  readonly #owners = new ProgramOwners();
  readonly #room: DeviceRoom;
  readonly #keepAlive: KeepAlive;
  readonly #pinned: PinnedReload;
  readonly #budget: BudgetWatch;

  constructor(options: ManagedDeviceOptions) {
    const { device, deviceBytes, policy, listener, now = () => performance.now() } = options;
    this.estimates = options.estimates ?? new Estimates();
    this.#isHome = options.isHome ?? (() => true);
    this.#listener = listener;
    this.#device = device;
    this.#now = now;
    this.policy = policy;
    this.deviceBytes = deviceBytes;
    const budgetBytes = deviceBytes - firstReserve(deviceBytes);
    this.residency = new Residency({ policy, budgetBytes, estimates: this.estimates });
    this.#room = new DeviceRoom({
      ...{ device, now },
      residency: this.residency,
      owners: this.#owners,
      onEvicted: (id, reason) => listener?.evicted(id, reason),
    });
    this.#budget = new BudgetWatch({
      ...{ device, deviceBytes, now },
      residency: this.residency,
      room: this.#room,
      onBudget: (bytes) => listener?.budget(bytes),
    });
    this.#keepAlive = new KeepAlive(this.residency, this.#room, now);
    this.#runs = new ManagedRuns({
      ...{ device, listener, now },
      residency: this.residency,
      room: this.#room,
      budget: this.#budget,
      keepAlive: this.#keepAlive,
      owners: this.#owners,
      tenancy: options.tenancy ?? new Tenancy(),
      own: (owner, program) => this.own(owner, program),
    });
    this.#pinned = new PinnedReload({
      pinned: () => this.#owners.pinned().filter(({ program }) => this.#isHome(program.id)),
      load: (owner, program) => this.load(owner, program),
      now,
    });
  }

  get evictions(): EvictionLog {
    return this.#room.evictions;
  }

  describe(): Promise<DeviceDescription> {
    return this.#device.describe();
  }

  memory(): Promise<DeviceMemory> {
    return this.#device.memory();
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#device.checkShader(code);
  }

  pid(): Promise<number | undefined> {
    return this.#device.pid();
  }

  get id(): string {
    return this.#device.id;
  }

  /** As DeviceProcess.isUp. */
  get isUp(): boolean {
    return this.#device.isUp;
  }

  /** Losses of the device process, and how long it was away. */
  get health(): DeviceHealth {
    return this.#device.health;
  }

  async stop(): Promise<void> {
    this.#budget.stop();
    this.#keepAlive.stop();
    this.#pinned.stop();
    await this.#device.stop();
  }

  /** Milliseconds on the clock of `residency`. */
  now(): number {
    return this.#now();
  }

  /** Who a Program belongs to, for people. */
  ownersOf(id: string): readonly ProgramOwner[] {
    return this.#owners.of(id);
  }

  /** Weights make room for what it takes to read it. @throws DawnletError as DeviceProcess.readTensor. */
  readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    return withRoom(
      () => this.#device.readTensor(tensor),
      (bytes) => this.#budget.makeRoom(bytes),
    );
  }

  /** No run that reads them may be under way. */
  releaseTensors(tensors: readonly DeviceTensor[]): Promise<void> {
    return this.#device.releaseTensors(tensors);
  }

  /**
   * Runs a Program, whose weights come in where they are not there.
   * @param options its signal ends the wait for room; a run that has begun goes on.
   * @throws DawnletError as DeviceProcess.run; OUT_OF_MEMORY where there can be no room; QUEUE_FULL; what the signal says.
   */
  run(
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions = {},
  ): Promise<ManagedRun> {
    return this.#runs.run(owner, program, inputs, options);
  }

  /** Brings a Program in, if it is not there. @throws DawnletError as `run`. */
  load(owner: ProgramOwner, program: OwnedProgram, signal?: AbortSignal): Promise<void> {
    return this.#runs.load(owner, program, signal);
  }

  /** Has a Program go. @returns false where it is not there, or is in use or pinned. */
  evict(id: string, reason?: string): boolean {
    return this.#room.evictOne(id, reason);
  }

  /** As DeviceProcess.dropHost. @throws DawnletError what the device process says. */
  dropHost(digests: readonly string[]): Promise<void> {
    return this.#device.dropHost(digests);
  }

  /** Whether an owner wants it to stay on some device. */
  isPinned(id: string): boolean {
    return this.#owners.isOwned(id) && this.#owners.settings(id).isPinned;
  }

  /** The Program as its owners gave it, and one of them; undefined where it has none here. */
  owned(id: string): { readonly owner: ProgramOwner; readonly program: OwnedProgram } | undefined {
    const program = this.#owners.program(id);
    const [owner] = this.#owners.of(id);
    return program === undefined || owner === undefined ? undefined : { owner, program };
  }

  /** An owner does without a Program. It leaves the device with its last owner, once its runs are done. */
  async release(owner: ProgramOwner, id: string): Promise<void> {
    this.#owners.remove(owner, id);
    if (this.#owners.isOwned(id)) this.configured([id]);
    else await this.#room.forget(id);
  }

  /** Its owner's settings changed. */
  configured(ids: Iterable<string>): void {
    for (const id of ids)
      if (this.residency.get(id) !== undefined && this.#owners.isOwned(id))
        this.residency.configure(id, this.#settings(id));
    this.#room.advance();
    this.#keepAlive.schedule();
  }

  /**
   * As DeviceProcess.openSession. What sessions hold is not there for weights, which make room for them: a buffer for
   * which there is none yet is an error of the client, and another try finds it.
   */
  openSession(options: GpuSessionOptions): Promise<GpuLink> {
    return this.#device.openSession(options);
  }

  /** The device process has reported what GPU sessions use. */
  sessionsUse(usage: GroupUsage): void {
    this.#budget.sessionsUse(usage);
  }

  /** Bytes of the buffers of all GPU sessions, a tenth of a second ago. */
  get sessionBytes(): number {
    return this.#budget.sessionBytes;
  }

  /** Registers that a Program is used by this owner too. Costs nothing where that is known. */
  own(owner: ProgramOwner, program: OwnedProgram): void {
    if (!this.#owners.add(owner, program)) return;
    const { id, weights } = program;
    this.residency.register(id, owner.name, weights, this.#settings(id));
  }

  /** The device process ended: another one has nothing of what this one had. */
  restarted(): void {
    const lost = this.residency.restarted();
    for (const id of lost) this.#listener?.evicted(id, "lost");
    this.#budget.restarted();
    this.#room.advance();
    this.#pinned.restarted();
  }

  /** What its owners ask for, on this device. */
  #settings(id: string): ResidenceSettings {
    const settings = this.#owners.settings(id);
    return settings.isPinned && !this.#isHome(id) ? { ...settings, isPinned: false } : settings;
  }
}
