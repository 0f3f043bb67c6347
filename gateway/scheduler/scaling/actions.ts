/** What is to be done on the devices so that one fleet becomes another. */

import { areaOf } from "../profile/configurations.ts";
import type { Replica } from "./device-space.ts";
import type { Fleet } from "./fleet.ts";

export type ScalingAction =
  /** Weights come to the device, and the function may use so much of it. */
  | {
      readonly type: "add";
      readonly function: string;
      readonly device: string;
      readonly quota: number;
      readonly share: number;
    }
  /** Nothing moves; the function may use more or less. */
  | {
      readonly type: "resize";
      readonly function: string;
      readonly device: string;
      readonly quota: number;
      readonly share: number;
    }
  /** Weights may leave the device. */
  | { readonly type: "remove"; readonly function: string; readonly device: string }
  /** Weights leave host memory; the store has them. */
  | { readonly type: "dropHost"; readonly function: string };

/**
 * Both fleets are of the same devices. What gives room comes first: removals, then resizes by how much area they take,
 * then additions; so a device never holds more than it did before or does after.
 */
export function actionsBetween(before: Fleet, after: Fleet): readonly ScalingAction[] {
  const removals: ScalingAction[] = [];
  const resizes: { readonly takes: number; readonly action: ScalingAction }[] = [];
  const additions: ScalingAction[] = [];
  for (const [index, { id: device, replicas }] of after.entries()) {
    const old = before[index]!.replicas;
    for (const name of old.keys()) {
      if (!replicas.has(name)) removals.push({ type: "remove", function: name, device });
    }
    for (const replica of replicas.values()) {
      const { function: name, quota, share } = replica;
      const was = old.get(name);
      if (was === undefined) additions.push({ type: "add", function: name, device, quota, share });
      else if (!isSameSize(was, replica)) {
        const action = { type: "resize", function: name, device, quota, share } as const;
        resizes.push({ takes: areaOf(replica) - areaOf(was), action });
      }
    }
  }
  resizes.sort((a, b) => a.takes - b.takes);
  return [...removals, ...resizes.map(({ action }) => action), ...additions];
}

function isSameSize(a: Replica, b: Replica): boolean {
  return a.quota === b.quota && a.share === b.share;
}
