/**
 * Packs many replicas on few devices at once: first fit by decreasing size, best fit among the devices in use. For a
 * fresh start and for comparing what is with what could be; the autoscaler places one at a time.
 */
import { chooseSpace, type DeviceSpace, type Replica } from "./device-space.ts";

export interface ReplicaWish extends Replica {
  /** Ids of the devices that can run it. Left out: all. */
  readonly devices?: readonly string[];
}

export interface Placement extends Replica {
  readonly device: string;
}

export interface Packing {
  /** In the order of the wishes. */
  readonly placements: readonly Placement[];
  /** Those that no device takes. */
  readonly unplaced: readonly ReplicaWish[];
  /** The devices with what they hold now, in the order given. */
  readonly spaces: readonly DeviceSpace[];
}

/**
 * Wishes of one function go to different devices. The order of decreasing size is tried in three senses, area, memory,
 * and the larger of the two: the one that places most wins, then the one that uses fewest devices.
 */
export function placeReplicas(devices: readonly DeviceSpace[], wishes: readonly ReplicaWish[]): Packing {
  const memoryBytes = Math.max(1, ...devices.map((device) => device.memoryBytes));
  const area = ({ quota, share }: ReplicaWish) => quota * share;
  const memory = ({ bytes }: ReplicaWish) => bytes / memoryBytes;
  const sizes = [area, (wish: ReplicaWish) => Math.max(area(wish), memory(wish)), memory];
  return sizes
    .map((sizeOf) => packBy(devices, wishes, sizeOf))
    .reduce((best, next) => (isBetter(next, best) ? next : best));
}

/** How many devices hold anything. */
export function devicesInUse(spaces: readonly DeviceSpace[]): number {
  return spaces.filter(({ replicas }) => replicas.size > 0).length;
}

function packBy(
  devices: readonly DeviceSpace[],
  wishes: readonly ReplicaWish[],
  sizeOf: (wish: ReplicaWish) => number,
): Packing {
  const spaces = [...devices];
  const chosen = new Map<number, string>();
  const order = [...wishes.entries()].sort(([i, a], [j, b]) => sizeOf(b) - sizeOf(a) || i - j);
  for (const [index, wish] of order) {
    const choice = chooseSpace(spaces, replicaOf(wish), ({ id }) => wish.devices?.includes(id) ?? true);
    if (choice === undefined) continue;
    spaces[choice.index] = choice.space;
    chosen.set(index, choice.space.id);
  }
  return {
    placements: wishes.flatMap((wish, index) => {
      const device = chosen.get(index);
      return device === undefined ? [] : [{ ...replicaOf(wish), device }];
    }),
    unplaced: wishes.filter((_, index) => !chosen.has(index)),
    spaces,
  };
}

function isBetter(a: Packing, b: Packing): boolean {
  if (a.placements.length !== b.placements.length) return a.placements.length > b.placements.length;
  return devicesInUse(a.spaces) < devicesInUse(b.spaces);
}

function replicaOf({ function: name, bytes, quota, share }: ReplicaWish): Replica {
  return { function: name, bytes, quota, share };
}
