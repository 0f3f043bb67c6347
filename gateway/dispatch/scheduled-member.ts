/** A device of the DeviceSet as the dispatcher commands it: Programs run there, several calls as one where they can. */
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import type { DeviceMember } from "../devices/device-member.ts";
import type { DeviceSet } from "../devices/device-set.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { DeviceSpec } from "../scheduler/core/specs.ts";
import { runBatch } from "./batch-run.ts";
import { deviceSpec } from "./device-specs.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import type { ScheduledDevice } from "./scheduled-device.ts";
import type { Unit } from "./scheduled-units.ts";

export class ScheduledMember implements ScheduledDevice {
  readonly #set: DeviceSet;
  readonly #member: DeviceMember;

  constructor(set: DeviceSet, member: DeviceMember) {
    this.#set = set;
    this.#member = member;
  }

  get id(): string {
    return this.#member.id;
  }

  get isUp(): boolean {
    return this.#member.isUp;
  }

  get spec(): DeviceSpec {
    return deviceSpec(this.#member);
  }

  /** What a device of the set cannot run, the set sees to. */
  takes(): boolean {
    return true;
  }

  run(
    unit: Unit,
    calls: readonly DispatchedCall[],
    options: DeviceRunOptions,
  ): readonly Promise<ManagedRun>[] {
    const { index } = this.#member;
    if (calls.length > 1) return runBatch(this.#set, index, unit, calls, options);
    const [{ prepared, signal }] = calls as [DispatchedCall];
    const { program, inputs, keep } = prepared;
    return [this.#set.runPlaced(index, unit.owner, program, inputs, { ...options, keep, signal })];
  }

  load({ programs }: Unit): Promise<void> {
    const [program] = programs;
    return this.#set.loadOn(this.#member.index, program!);
  }

  evict({ programs }: Unit, reason: string): void {
    for (const program of programs) this.#set.evictFrom(this.#member.index, program, reason);
  }

  /** The set is told by whoever owned it. */
  forget(): void {}

  holds({ programs }: Unit): boolean {
    const { residency } = this.#member.managed;
    return [...programs].some((program) => residency.get(program)?.isOn === true);
  }

  pins({ programs }: Unit): boolean {
    return [...programs].some((program) => this.#member.pins(program));
  }

  executeMs(program: string): number | undefined {
    return this.#member.managed.estimates.of(program).executeMs;
  }
}
