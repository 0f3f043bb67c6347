/** One device of a set: what a placement policy sees of it, and the count of what was placed there. */
import type { DeviceDescription } from "../../runtime/device/api.ts";
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import type { DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { ShaderTrials } from "../../runtime/supervisor/shader-trials.ts";
import type { DeviceKind, PlacedDevice } from "../scheduler/placement/place.ts";
import type { ManagedDevice } from "./managed-device.ts";
import type { ManagedRun } from "./managed-runs.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";

/** Where a run was not measured. */
const assumedRunMs = 1;

export class DeviceMember implements PlacedDevice {
  readonly index: number;
  readonly id: string;
  readonly kind: DeviceKind;
  /** Devices of one class take equally long for the same: see `deviceClassOf`. */
  readonly class: string;
  readonly managed: ManagedDevice;
  /** Where new shaders are compiled first. */
  readonly trials: ShaderTrials | undefined;
  #queued = 0;
  #queuedMs = 0;
  #isWaking = false;
  /** As its process said last. */
  #description: DeviceDescription | undefined;

  constructor(index: number, type: Pick<DeviceMember, "kind" | "class" | "trials">, managed: ManagedDevice) {
    this.index = index;
    this.id = managed.id;
    this.kind = type.kind;
    this.class = type.class;
    this.trials = type.trials;
    this.managed = managed;
  }

  get isUp(): boolean {
    return this.managed.isUp;
  }

  get queued(): number {
    return this.#queued;
  }

  get queuedMs(): number {
    return this.#queuedMs;
  }

  get usedBytes(): number {
    return this.managed.residency.usedBytes;
  }

  get budgetBytes(): number {
    return this.managed.residency.budgetBytes;
  }

  stateOf(program: string): "absent" | "loading" | "resident" {
    return this.managed.residency.get(program)?.state ?? "absent";
  }

  /** Whether a Program is pinned on this device. */
  pins(program: string): boolean {
    return this.managed.residency.get(program)?.settings.isPinned === true;
  }

  loadMs({ id, weights }: OwnedProgram): number {
    const { estimates } = this.managed;
    const measured = this.#estimate(id).loadMs;
    return measured ?? estimates.guessedLoadMs(weights.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  }

  executeMs({ id }: OwnedProgram): number | undefined {
    return this.#estimate(id).executeMs;
  }

  /** @throws DawnletError as ManagedDevice.run. */
  async run(
    owner: ProgramOwner,
    program: OwnedProgram,
    inputs: readonly DeviceValue[],
    options: DeviceRunOptions,
  ): Promise<ManagedRun> {
    const loadMs = this.stateOf(program.id) === "absent" ? this.loadMs(program) : 0;
    const workMs = loadMs + (this.executeMs(program) ?? assumedRunMs);
    this.#queued++;
    this.#queuedMs += workMs;
    try {
      return await this.managed.run(owner, program, inputs, options);
    } finally {
      // What was added and taken in floating point comes back to zero.
      this.#queuedMs = --this.#queued === 0 ? 0 : Math.max(0, this.#queuedMs - workMs);
    }
  }

  /** @throws DawnletError as DeviceProcess.describe, where it never was ready. */
  async describe(): Promise<DeviceDescription> {
    try {
      this.#description = await this.managed.describe();
    } catch (error) {
      if (this.#description === undefined) throw error;
    }
    return this.#description;
  }

  /** Has a process started where none is, as runs that would need one go elsewhere. */
  wake(): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    const done = () => {
      this.#isWaking = false;
    };
    this.managed.describe().then(done, done);
  }

  #estimate(id: string) {
    return this.managed.residency.get(id)?.estimate ?? this.managed.estimates.of(id);
  }
}
