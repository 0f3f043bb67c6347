/**
 * What replicas hold of one device: a rectangle of quota × share each, and bytes of its memory. Weights count in full
 * for each function, also those that several of them share by digest. Immutable; says what fits, not what should go where.
 */
import { type Extent, emptySheet, findFit, freeArea, release, type Sheet } from "./rectangles.ts";
import { placeOrRepack } from "./repack.ts";

/** A device that replicas can be on. */
export interface ScalingDevice {
  readonly id: string;
  /** Devices of one kind have the same profiles. */
  readonly kind: string;
  /** For weights. */
  readonly memoryBytes: number;
}

/** A function on a device: at most one replica there, as its weights are there once. */
export interface Replica extends Extent {
  readonly function: string;
  /** Of weights. */
  readonly bytes: number;
}

export interface DeviceSpace extends ScalingDevice {
  readonly usedBytes: number;
  readonly replicas: ReadonlyMap<string, Replica>;
  readonly sheet: Sheet;
}

export function emptySpace(device: ScalingDevice): DeviceSpace {
  return { ...device, usedBytes: 0, replicas: new Map(), sheet: emptySheet };
}

/** With a replica more, or with another in place of the function's; undefined where memory or geometry forbid it. */
export function withReplica(space: DeviceSpace, replica: Replica): DeviceSpace | undefined {
  const before = space.replicas.get(replica.function);
  const gained = replica.quota * replica.share - (before ? before.quota * before.share : 0);
  // Most of what does not fit does not fit by area; a thousandth is more than rounding to grains hides.
  if (gained > freeArea(space.sheet) + 1e-3) return undefined;
  const without = withoutReplica(space, replica.function);
  const usedBytes = without.usedBytes + replica.bytes;
  if (usedBytes > space.memoryBytes) return undefined;
  const sheet = placeOrRepack(without.sheet, replica.function, replica);
  return (
    sheet && {
      ...space,
      usedBytes,
      replicas: new Map(without.replicas).set(replica.function, replica),
      sheet,
    }
  );
}

/** One that is not there is fine. */
export function withoutReplica(space: DeviceSpace, name: string): DeviceSpace {
  const replica = space.replicas.get(name);
  if (replica === undefined) return space;
  const replicas = new Map(space.replicas);
  replicas.delete(name);
  return {
    ...space,
    usedBytes: space.usedBytes - replica.bytes,
    replicas,
    sheet: release(space.sheet, name),
  };
}

/** A space with the replica in it, and where it stands among the spaces. */
export interface Chosen {
  readonly index: number;
  readonly space: DeviceSpace;
}

/**
 * The device for a new replica: one that has the weights already; then of those in use the one that it fits best (least
 * left of the shorter side, then least free area), so that few devices are used; else the first that takes it. A device
 * that has to be packed anew for it comes after those that need not be.
 * @param heldBy devices that have the weights.
 */
export function chooseSpace(
  spaces: readonly DeviceSpace[],
  replica: Replica,
  isAllowed: (space: DeviceSpace) => boolean = () => true,
  heldBy: ReadonlySet<string> = new Set(),
): Chosen | undefined {
  const candidates = spaces
    .map((space, index) => ({
      ...{ space, index },
      key: [heldBy.has(space.id) ? 0 : 1, ...keyOf(space, replica)],
    }))
    .filter(({ space }) => !space.replicas.has(replica.function) && isAllowed(space))
    .sort((a, b) => compareKeys(a.key, b.key) || a.index - b.index);
  for (const { space, index } of candidates) {
    const next = withReplica(space, replica);
    if (next !== undefined) return { index, space: next };
  }
  return undefined;
}

function keyOf(space: DeviceSpace, replica: Replica): readonly number[] {
  if (space.replicas.size === 0) return [2, 0, 0];
  const fit = findFit(space.sheet, replica);
  return [fit ? 0 : 1, fit?.shortSide ?? 0, freeArea(space.sheet)];
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
