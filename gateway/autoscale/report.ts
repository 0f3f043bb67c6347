/** What `GET /v1/scaling` says: what each device is to hold for whom, and what each function is expected to need. */
import type { ScalingAction } from "../scheduler/scaling/actions.ts";
import type { Shortage } from "../scheduler/scaling/autoscaler.ts";
import type { Tier } from "../scheduler/scaling/demand.ts";
import { type Fleet, replicasOf } from "../scheduler/scaling/fleet.ts";
import type { ScaledDevice, VersionDemand } from "./version-demand.ts";

export interface ReplicaReport {
  readonly function: string;
  readonly version: number;
  /** Part of the device's time, and of its lanes, that is planned for it. */
  readonly quota: number;
  readonly share: number;
  /** Of weights. */
  readonly bytes: number;
  /** Its weights are on the device now: they leave where others need the room, and come back when there is some. */
  readonly isThere: boolean;
}

export interface ScaledDeviceReport {
  readonly id: string;
  /** For weights. */
  readonly budgetBytes: number;
  /** Of all replicas together. */
  readonly plannedBytes: number;
  readonly replicas: readonly ReplicaReport[];
}

export interface ScaledFunctionReport {
  readonly function: string;
  readonly version: number;
  /** Of weights. */
  readonly bytes: number;
  /** That are forecast. */
  readonly callsPerSecond: number;
  /** Left out while it is called. */
  readonly idleMs?: number;
  /** The lowest place at which its weights are kept. */
  readonly tier: Tier;
  readonly replicas: number;
  /** That its replicas have no room for; served by swapping in as far as it goes. Left out where there are none. */
  readonly missingCallsPerSecond?: number;
}

export interface ScalingReport {
  readonly intervalMs: number;
  /** Those that are up. */
  readonly devices: readonly ScaledDeviceReport[];
  /** Those whose Programs are known: that were called since the start, or are pinned. */
  readonly functions: readonly ScaledFunctionReport[];
  /** That were decided since the start. */
  readonly actions: Readonly<Record<ScalingAction["type"], number>>;
}

export interface ScalingFacts {
  readonly fleet: Fleet;
  readonly devices: readonly ScaledDevice[];
  readonly demands: readonly VersionDemand[];
  readonly shortages: readonly Shortage[];
  readonly intervalMs: number;
  readonly counts: ScalingReport["actions"];
}

export function reportScaling(facts: ScalingFacts): ScalingReport {
  const { fleet, devices, demands, shortages, intervalMs, counts } = facts;
  const byName = new Map(demands.map((demand) => [demand.name, demand]));
  const missing = new Map(shortages.map((one) => [one.function, one.missing]));
  return {
    intervalMs,
    devices: fleet.map(({ id, memoryBytes, usedBytes, replicas }) => {
      const member = devices.find((one) => one.id === id);
      return {
        ...{ id, budgetBytes: memoryBytes, plannedBytes: usedBytes },
        replicas: [...replicas.values()].map(({ function: name, quota, share, bytes }) => {
          const { owner, programs } = byName.get(name)!;
          const isThere = [...programs].some((program) => member?.stateOf(program) === "resident");
          return { function: owner.name, version: owner.version, quota, share, bytes, isThere };
        }),
      };
    }),
    functions: demands.map(({ name, owner, bytes, rate, idleMs, tier }) => {
      const missingCallsPerSecond = missing.get(name) ?? 0;
      return {
        ...{ function: owner.name, version: owner.version, bytes, callsPerSecond: rate },
        ...(idleMs > 0 && { idleMs }),
        ...{ tier, replicas: replicasOf(fleet, name).length },
        ...(missingCallsPerSecond > 0 && { missingCallsPerSecond }),
      };
    }),
    actions: { ...counts },
  };
}
