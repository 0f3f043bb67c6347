/**
 * A device whose memory is managed: asks the Residency before each run, sends evictions and the run that they make
 * room for as one message, evicts more where the device had no room after all, and learns how much of the device
 * weights may take. Which Programs go, and who waits, residency.ts decides.
 */
import { getLogger } from "@logtape/logtape";
import type { DawnletError } from "../../kernels/errors.ts";
import type { DeviceDescription, DeviceMemory, ShaderError } from "../../runtime/device/api.ts";
import type { GroupUsage } from "../../runtime/device/session-messages.ts";
import { abortError } from "../../runtime/port/abort-error.ts";
import type { DeviceProcess, DeviceRun, DeviceRunOptions } from "../../runtime/supervisor/device-process.ts";
import type { DeviceTensor, DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { GpuLink, GpuSessionOptions } from "../../runtime/supervisor/gpu-link.ts";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";
import type { EvictionPolicy } from "../scheduler/eviction/policy.ts";
import type { Eviction } from "../scheduler/eviction/victims.ts";
import { Estimates } from "./estimates.ts";
import { EvictionLog } from "./eviction-log.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";
import { ProgramOwners } from "./program-owners.ts";
import { Residency } from "./residency.ts";
import { SessionBytes } from "./session-bytes.ts";
import { bytesToEvict, bytesToFree } from "./short-of-room.ts";
import { firstReserve, weightBudget } from "./weight-budget.ts";

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
  | "readTensor"
  | "releaseTensors"
  | "openSession"
  | "stop"
  | "pid"
  | "health"
>;

export interface ManagedDeviceOptions {
  readonly device: DeviceLink;
  /** What the device process may allocate on the GPU in all. */
  readonly deviceBytes: number;
  readonly policy: EvictionPolicy;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

/** A run, and the time that it waited here for room on the device. */
export interface ManagedRun extends DeviceRun<DeviceValue> {
  readonly waitMs?: number;
}

interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: DawnletError) => void;
}

/** After swap-ins, before the device is asked how much memory it uses for what. */
const observeDelayMs = 250;
/** Pinned Programs come in again this long after a restart, twice as long after each one that follows soon. */
const reloadDelayMs = 500;
const calmMs = 60_000;

const log = getLogger(["dawnlet", "memory"]);

export class ManagedDevice {
  readonly evictions = new EvictionLog();
  /** What is measured here, and was before the start where somebody restores it. */
  readonly estimates = new Estimates();
  readonly residency: Residency<Waiter>;
  readonly policy: EvictionPolicy;
  readonly deviceBytes: number;
  readonly #device: DeviceLink;
  readonly #now: () => number;
  readonly #owners = new ProgramOwners();
  readonly #sessionBytes = new SessionBytes();
  #observing: ReturnType<typeof setTimeout> | undefined;
  #expiring: ReturnType<typeof setTimeout> | undefined;
  #reloading: ReturnType<typeof setTimeout> | undefined;
  #restarts = 0;
  #restartedAtMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor({ device, deviceBytes, policy, now = () => performance.now() }: ManagedDeviceOptions) {
    this.#device = device;
    this.#now = now;
    this.policy = policy;
    this.deviceBytes = deviceBytes;
    const budgetBytes = deviceBytes - firstReserve(deviceBytes);
    this.residency = new Residency({ policy, budgetBytes, estimates: this.estimates });
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

  /** Losses of the device process, and how long it was away. */
  get health(): DeviceHealth {
    return this.#device.health;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of [this.#observing, this.#expiring, this.#reloading]) clearTimeout(timer);
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
  async readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#device.readTensor(tensor);
      } catch (error) {
        const bytes = bytesToFree(error, attempt);
        if (bytes === undefined) throw error;
        await this.#makeRoom(bytes);
        // Weights that are in use cannot go yet.
        await new Promise((resolve) => setTimeout(resolve, readRetryMs * (attempt - 1)));
      }
    }
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
    if (this.residency.lease(program.id, this.#now()))
      return this.#runLeased(owner, program, inputs, options, 1);
    return this.#runCold(owner, program, inputs, options, 1, 0);
  }

  /** Brings a Program in, if it is not there. @throws DawnletError as `run`. */
  async load(owner: ProgramOwner, program: OwnedProgram, signal?: AbortSignal): Promise<void> {
    const { id } = program;
    for (let attempt = 1, extraBytes = 0; ; attempt++) {
      if (extraBytes > 0 || !this.residency.lease(id, this.#now())) {
        const admitted = this.#admit(owner, program, signal, extraBytes);
        if (admitted !== undefined) await admitted;
      }
      try {
        const { state, isKnown, leases } = this.residency.get(id)!;
        // The device process takes a load of what it knows for done.
        if (state === "loading" && isKnown && leases === 1) await this.#device.unload(id);
        if (state !== "resident") await this.#device.load(program);
        this.#ended(id, 0, 0);
        return;
      } catch (error) {
        this.#failed(id);
        const more = bytesToEvict(error, program, attempt);
        if (more === undefined) throw error;
        extraBytes = more;
      }
    }
  }

  /** An owner does without a Program. It leaves the device with its last owner, once its runs are done. */
  async release(owner: ProgramOwner, id: string): Promise<void> {
    this.#owners.remove(owner, id);
    if (this.#owners.isOwned(id)) this.configured([id]);
    else await this.#forget(id);
  }

  /** Its owner's settings changed. */
  configured(ids: Iterable<string>): void {
    for (const id of ids)
      if (this.residency.get(id) !== undefined && this.#owners.isOwned(id))
        this.residency.configure(id, this.#owners.settings(id));
    this.#advance();
    this.#scheduleExpiry();
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
    if (this.#sessionBytes.note(usage)) this.#observeSoon();
  }

  /** Bytes of the buffers of all GPU sessions, a tenth of a second ago. */
  get sessionBytes(): number {
    return this.#sessionBytes.held;
  }

  /** Registers that a Program is used by this owner too. Costs nothing where that is known. */
  own(owner: ProgramOwner, program: OwnedProgram): void {
    if (!this.#owners.add(owner, program)) return;
    const { id, weights } = program;
    this.residency.register(id, owner.name, weights, this.#owners.settings(id));
  }

  /** The device process ended: another one has nothing of what this one had. */
  restarted(): void {
    this.residency.restarted();
    this.#sessionBytes.clear();
    this.#advance();
    const now = this.#now();
    this.#restarts = now - this.#restartedAtMs > calmMs ? 0 : this.#restarts + 1;
    this.#restartedAtMs = now;
    if (this.#isStopped || this.#reloading !== undefined) return;
    const delayMs = Math.min(calmMs, reloadDelayMs * 2 ** this.#restarts);
    this.#reloading = later(delayMs, () => {
      this.#reloading = undefined;
      for (const { owner, program } of this.#owners.pinned())
        this.load(owner, program).catch((error: unknown) => warnOfPinned(owner, error));
    });
  }

  #runCold(
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions,
    attempt: number,
    extraBytes: number,
  ): Promise<ManagedRun> {
    let admitted: Promise<void> | undefined;
    try {
      admitted = this.#admit(owner, program, options.signal, extraBytes);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#observeSoon();
    if (admitted === undefined) return this.#runLeased(owner, program, inputs, options, attempt);
    const waitedFrom = this.#now();
    return admitted.then(async () => {
      const waitMs = this.#now() - waitedFrom;
      return { ...(await this.#runLeased(owner, program, inputs, options, attempt)), waitMs };
    });
  }

  #runLeased(
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions,
    attempt: number,
  ): Promise<ManagedRun> {
    const { id } = program;
    return this.#device.run(program, inputs, options).then(
      (run) => {
        this.#ended(id, run.timing.loadMs, run.timing.executeMs);
        return run;
      },
      (error: unknown) => {
        this.#failed(id);
        const bytes = options.signal?.aborted ? undefined : bytesToEvict(error, program, attempt);
        if (bytes === undefined) throw error;
        const { name } = owner;
        log.debug("{name} found no room on the device: {bytes} bytes more are to go", {
          name,
          attempt,
          bytes,
        });
        return this.#runCold(owner, program, inputs, options, attempt + 1, bytes);
      },
    );
  }

  /**
   * Takes a lease on a Program and evicts for it.
   * @returns undefined where it may run at once: what is sent in this turn travels with the evictions.
   */
  #admit(
    owner: ProgramOwner,
    program: OwnedProgram,
    signal: AbortSignal | undefined,
    extraBytes: number,
  ): Promise<void> | undefined {
    this.own(owner, program);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { start: resolve, refuse: reject };
    const admission = this.residency.admit(program.id, this.#now(), waiter, extraBytes);
    switch (admission.type) {
      case "run":
        this.#evict(admission.evict);
        return undefined;
      case "refuse":
        throw admission.error;
      case "wait":
        return signal === undefined ? promise : this.#orAborted(promise, waiter, signal);
      default:
        return admission satisfies never;
    }
  }

  async #orAborted(promise: Promise<void>, waiter: Waiter, signal: AbortSignal): Promise<void> {
    const abort = () => {
      this.residency.cancel(waiter);
      waiter.refuse(abortError(signal, "waiting for room on the device"));
      this.#advance();
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #ended(id: string, loadMs: number, executeMs: number): void {
    if (this.residency.ran(id, this.#now(), loadMs, executeMs)) this.#advance();
    if (this.#expiring === undefined) this.#scheduleExpiry(id);
    if (!this.#owners.isOwned(id)) void this.#forget(id);
  }

  #failed(id: string): void {
    if (this.residency.failed(id).mustEvict) this.#sendEvict(id);
    this.#advance();
    this.#observeSoon();
    if (!this.#owners.isOwned(id)) void this.#forget(id);
  }

  #advance(): void {
    const { evict, turns } = this.residency.advance(this.#now());
    this.#evict(evict);
    for (const { waiter, admission } of turns) {
      if (admission.type === "run") {
        this.#evict(admission.evict);
        waiter.start();
      } else waiter.refuse(admission.error);
    }
  }

  async #forget(id: string): Promise<void> {
    if (!this.residency.forget(id)) return;
    this.#advance();
    await this.#device.unload(id);
  }

  #evict(evictions: readonly Eviction[]): void {
    for (const eviction of evictions) {
      const { id, cause, reason } = eviction;
      const residence = this.residency.get(id)!;
      this.evictions.add({ eviction, residence, owner: this.#owners.of(id)[0] });
      log.debug("evicted {name}: {reason}", {
        name: residence.label,
        cause,
        reason,
        bytes: residence.sizeBytes,
      });
      this.#sendEvict(id);
    }
  }

  #sendEvict(id: string): void {
    // A device that is gone holds nothing.
    this.#device.evict(id).catch((error: unknown) => log.debug("eviction of {id}: {error}", { id, error }));
  }

  /** Learns what weights may take from what everything else takes. */
  #observeSoon(): void {
    if (this.#observing !== undefined || this.#isStopped) return;
    this.#observing = later(observeDelayMs, async () => {
      try {
        await this.#makeRoom(this.#sessionBytes.takeMissing());
      } catch (error) {
        log.debug("the device did not say what memory it uses: {error}", { error });
      } finally {
        this.#observing = undefined;
      }
    });
  }

  /** @param missingBytes for which the device had no room. */
  async #makeRoom(missingBytes: number): Promise<void> {
    const memory = await this.#device.memory();
    const budgetBytes = weightBudget(this.deviceBytes, memory, missingBytes);
    this.#evict(this.residency.setBudget(budgetBytes, this.#now()));
    this.#advance();
  }

  /** @param id of what was used; where it has no keepAlive there is nothing new. */
  #scheduleExpiry(id?: string): void {
    if (this.#isStopped) return;
    if (id !== undefined && this.residency.get(id)?.settings.keepAliveMs === undefined) return;
    clearTimeout(this.#expiring);
    this.#expiring = undefined;
    const next = this.residency.nextExpiryMs();
    if (next === undefined) return;
    // A leased one past its time is looked at again a little later.
    const delayMs = Math.max(10, next - this.#now());
    this.#expiring = later(Math.min(delayMs, longestTimerMs), () => {
      this.#expiring = undefined;
      this.#evict(this.residency.expire(this.#now()));
      this.#advance();
      this.#scheduleExpiry();
    });
  }
}

const readRetryMs = 20;
/** Longer ones fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** A timer that keeps no process alive. */
function later(ms: number, work: () => void): ReturnType<typeof setTimeout> {
  const timer = setTimeout(work, ms);
  timer.unref();
  return timer;
}

export function warnOfPinned({ name }: ProgramOwner, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  log.warn("pinned function {name} could not be loaded: {reason}", { name, reason });
}
