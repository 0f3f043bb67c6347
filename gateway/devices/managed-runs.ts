/**
 * Runs and loads on a managed device: each leases its Program first, leaves in one message with the evictions that make
 * room for it, and is tried again with more of them where the device had no room after all. Who owns what, and what
 * settings mean, managed-device.ts knows.
 */
import { getLogger } from "@logtape/logtape";
import type { LoadTiming, RunLoad } from "../../runtime/device/api.ts";
import type { DeviceProcess, DeviceRun } from "../../runtime/supervisor/device-process.ts";
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import type { DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { BudgetWatch } from "./budget-watch.ts";
import type { ManagedDeviceListener } from "./device-events.ts";
import type { DeviceRoom, Waiter } from "./device-room.ts";
import type { KeepAlive } from "./keep-alive.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";
import type { ProgramOwners } from "./program-owners.ts";
import type { Residency } from "./residency.ts";
import { bytesToEvict } from "./short-of-room.ts";
import type { Tenancy } from "./tenancy.ts";

/** A run, and the time that it waited here for room on the device. */
export interface ManagedRun extends DeviceRun<DeviceValue> {
  readonly waitMs?: number;
}

export interface ManagedRunsOptions {
  readonly device: Pick<DeviceProcess, "run" | "load">;
  readonly residency: Residency<Waiter>;
  readonly room: DeviceRoom;
  readonly budget: BudgetWatch;
  readonly keepAlive: KeepAlive;
  readonly owners: ProgramOwners;
  readonly tenancy: Tenancy;
  /** Makes a Program known that is about to run. */
  readonly own: (owner: ProgramOwner, program: OwnedProgram) => void;
  readonly listener: ManagedDeviceListener | undefined;
  /** Milliseconds. */
  readonly now: () => number;
}

const log = getLogger(["dawnlet", "memory"]);

export class ManagedRuns {
  readonly #device: ManagedRunsOptions["device"];
  readonly #residency: Residency<Waiter>;
  readonly #room: DeviceRoom;
  readonly #budget: BudgetWatch;
  readonly #keepAlive: KeepAlive;
  readonly #owners: ProgramOwners;
  readonly #tenancy: Tenancy;
  readonly #own: ManagedRunsOptions["own"];
  readonly #listener: ManagedDeviceListener | undefined;
  readonly #now: () => number;

  constructor(options: ManagedRunsOptions) {
    this.#device = options.device;
    this.#residency = options.residency;
    this.#room = options.room;
    this.#budget = options.budget;
    this.#keepAlive = options.keepAlive;
    this.#owners = options.owners;
    this.#tenancy = options.tenancy;
    this.#own = options.own;
    this.#listener = options.listener;
    this.#now = options.now;
  }

  /** See ManagedDevice.run. */
  run(
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions,
  ): Promise<ManagedRun> {
    if (this.#residency.lease(program.id, this.#now()))
      return this.#runLeased(owner, program, inputs, options, 1);
    return this.#runCold(owner, program, inputs, options, 1, 0);
  }

  /** See ManagedDevice.load. */
  async load(owner: ProgramOwner, program: OwnedProgram, signal?: AbortSignal): Promise<void> {
    const { id } = program;
    for (let attempt = 1, extraBytes = 0; ; attempt++) {
      if (extraBytes > 0 || !this.#residency.lease(id, this.#now())) {
        const admitted = this.#admit(owner, program, signal, extraBytes);
        if (admitted !== undefined) await admitted;
      }
      try {
        const isThere = this.#residency.get(id)!.state === "resident";
        const loaded = isThere ? undefined : await this.#device.load(program);
        this.#ended(id, undefined, loaded);
        return;
      } catch (error) {
        this.#failed(id);
        const more = bytesToEvict(error, program, attempt);
        if (more === undefined) throw error;
        extraBytes = more;
      }
    }
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
    this.#budget.lookSoon();
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
    const isComing = this.#residency.get(id)!.state === "loading";
    const sent = isComing ? { ...options, onLoaded: (load: RunLoad) => this.#loaded(id, load) } : options;
    return this.#device.run(program, inputs, sent).then(
      (run) => {
        this.#ended(id, run);
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

  #admit(
    owner: ProgramOwner,
    program: OwnedProgram,
    signal: AbortSignal | undefined,
    extraBytes: number,
  ): Promise<void> | undefined {
    this.#own(owner, program);
    return this.#room.admit(program.id, this.#tenancy.partyOf(owner), signal, extraBytes);
  }

  #ended(id: string, run: DeviceRun<DeviceValue> | undefined, loaded?: LoadTiming): void {
    const residency = this.#residency;
    const { timing } = run ?? {};
    // Before it may have to go for those that wait.
    this.#loaded(
      id,
      loaded ?? { uploadMs: timing?.loadMs ?? 0, uploadedBytes: residency.get(id)!.sizeBytes },
    );
    const mayAdvance = residency.ran(id, timing?.executeMs ?? 0);
    if (mayAdvance) this.#room.advance();
    if (timing !== undefined) this.#listener?.ran(id, timing);
    this.#keepAlive.used(id);
    if (!this.#owners.isOwned(id)) void this.#room.forget(id);
  }

  /** Weights have come in; nothing where that was heard before. */
  #loaded(id: string, { uploadMs, uploadedBytes }: RunLoad): void {
    if (!this.#residency.arrived(id, this.#now(), uploadMs)) return;
    if (uploadMs > 0 && uploadedBytes > 0) this.#listener?.loadMeasured(id, uploadedBytes, uploadMs);
    this.#listener?.resident(id);
  }

  #failed(id: string): void {
    this.#room.failed(id);
    this.#budget.lookSoon();
    if (!this.#owners.isOwned(id)) void this.#room.forget(id);
  }
}
