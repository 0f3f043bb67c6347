/** Has weights come to devices ahead of calls, and leave them, as far as the scheduler and the devices have no objection. */
import type { DeviceSet } from "../devices/device-set.ts";
import type { ProgramOwner } from "../devices/owner.ts";
import type { Cluster } from "../scheduler/core/cluster.ts";
import type { SchedulerEvent } from "../scheduler/core/events.ts";
import type { FunctionState } from "../scheduler/core/function-state.ts";
import type { ScheduledUnits } from "./scheduled-units.ts";

export interface ReplicaControlOptions {
  readonly set: DeviceSet;
  readonly units: Pick<ScheduledUnits, "ofOwner">;
  readonly cluster: Cluster;
  readonly step: (event: SchedulerEvent) => void;
}

export class ReplicaControl {
  readonly #options: ReplicaControlOptions;

  constructor(options: ReplicaControlOptions) {
    this.#options = options;
  }

  /** What the scheduler takes for the functions of a version. To be read only. */
  unitsOf(owner: ProgramOwner): readonly FunctionState[] {
    const { units, cluster } = this.#options;
    return [...units.ofOwner(owner)].flatMap(({ id }) => cluster.functions.get(id) ?? []);
  }

  /**
   * Weights of a version are to be on a device, by its `index`, ahead of calls. Those that find no free room stay away.
   * @returns whether any are coming.
   */
  want(owner: ProgramOwner, index: number): boolean {
    const { set, cluster, step } = this.#options;
    const { id: device, managed } = set.devices[index]!;
    const { residency } = managed;
    let isComing = false;
    for (const fn of this.unitsOf(owner)) {
      if (cluster.device(device).holds(fn)) continue;
      // The scheduler counts what it has placed; the device knows what else is there.
      if (residency.usedBytes + fn.weightBytes > residency.budgetBytes) continue;
      step({ type: "wanted", device, function: fn.id });
      isComing ||= cluster.device(device).holds(fn);
    }
    return isComing;
  }

  /**
   * Weights of a version need not stay on a device, by its `index`.
   * @param reason for people.
   * @param needed Programs that stay, as others have them too.
   * @returns whether any have left.
   */
  letGo(owner: ProgramOwner, index: number, reason: string, needed: ReadonlySet<string>): boolean {
    const { set, units, cluster, step } = this.#options;
    const { id: device, managed } = set.devices[index]!;
    const state = cluster.device(device);
    // What goes round the scheduler, as measuring a profile does, uses weights as well.
    const isInUse = (program: string) => (managed.residency.get(program)?.leases ?? 0) > 0;
    let haveLeft = false;
    for (const { id, programs } of units.ofOwner(owner)) {
      if (state.residenceOf(id) === undefined || !programs.isDisjointFrom(needed)) continue;
      if ([...programs].some(isInUse)) continue;
      step({ type: "unwanted", device, function: id, reason });
      haveLeft ||= state.residenceOf(id) === undefined;
    }
    return haveLeft;
  }
}
