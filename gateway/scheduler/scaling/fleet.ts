/** All devices with what replicas hold of them, as the autoscaler sees them, and what they can do for a function. */
import type { Configuration } from "../profile/configurations.ts";
import type { FunctionDemand } from "./demand.ts";
import {
  type DeviceSpace,
  emptySpace,
  type ScalingDevice,
  withoutReplica,
  withReplica,
} from "./device-space.ts";

export type Fleet = readonly DeviceSpace[];

/** A replica where it is. */
export interface Placed {
  /** Position of its device in the fleet. */
  readonly index: number;
  readonly configuration: Configuration;
}

/** The devices that there are now, with those replicas of before that are on them and still fit. */
export function fleetOf(
  devices: readonly ScalingDevice[],
  before: Fleet,
): { readonly fleet: Fleet; readonly held: Fleet } {
  const held = devices.map((device): DeviceSpace => {
    const space = before.find(({ id, kind }) => id === device.id && kind === device.kind);
    return space ? { ...space, ...device } : emptySpace(device);
  });
  return { held, fleet: held.map(fitted) };
}

/** The function's replicas, in the order of the devices. Those that its profile does not know any more do nothing. */
export function placedOf(fleet: Fleet, { name, configurations }: FunctionDemand): readonly Placed[] {
  return fleet.flatMap((space, index) => {
    const replica = space.replicas.get(name);
    if (replica === undefined) return [];
    const { quota, share } = replica;
    const known = configurations.get(space.kind)?.find((one) => one.quota === quota && one.share === share);
    const nothing = { quota, share, batch: 1, throughput: 0, p50Ms: 0, p98Ms: 0 };
    return [{ index, configuration: known ?? nothing }];
  });
}

/** Calls a second that its replicas can answer together. */
export function capacityOf(fleet: Fleet, demand: FunctionDemand): number {
  return placedOf(fleet, demand).reduce((sum, { configuration }) => sum + configuration.throughput, 0);
}

export function replicasOf(fleet: Fleet, name: string): readonly DeviceSpace[] {
  return fleet.filter(({ replicas }) => replicas.has(name));
}

/** Undefined where the device has no room for it. */
export function withConfiguration(
  fleet: Fleet,
  index: number,
  { name, bytes }: FunctionDemand,
  { quota, share }: Configuration,
): Fleet | undefined {
  const space = withReplica(fleet[index]!, { function: name, bytes, quota, share });
  return space && fleet.with(index, space);
}

export function withoutPlaced(fleet: Fleet, index: number, name: string): Fleet {
  return fleet.with(index, withoutReplica(fleet[index]!, name));
}

export function withoutFunction(fleet: Fleet, name: string): Fleet {
  return fleet.map((space) => withoutReplica(space, name));
}

/** A device whose memory has become less keeps what fits, small ones first. */
function fitted(space: DeviceSpace): DeviceSpace {
  let result = space;
  const largestFirst = [...space.replicas.values()].sort((a, b) => b.bytes - a.bytes);
  for (const { function: name } of largestFirst) {
    if (result.usedBytes <= result.memoryBytes) break;
    result = withoutReplica(result, name);
  }
  return result;
}
