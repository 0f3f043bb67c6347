/**
 * Which pieces of a group go into which hole. Pure: decides, and changes no hole.
 * A group is kept together, as it is uploaded and evicted together.
 */
import type { HoleIndex } from "./hole-index.ts";
import type { Block } from "./slab-space.ts";

/** Pieces that go into one hole, from its start on. */
export interface Share {
  readonly hole: Block;
  /** Their indices in the group. */
  readonly members: readonly number[];
  /** Of all members together. */
  readonly sizeBytes: number;
}

/**
 * The whole group goes into the tightest hole that takes it. Where none does, it is split in order: the longest
 * beginning that any hole takes goes into the tightest one that takes it, then the same with the rest. Where that
 * comes to a piece too large for what is left, each piece goes into the tightest hole, the largest first.
 * @param extents aligned sizes in bytes.
 * @returns undefined where that finds no place either.
 */
export function shareHoles(holes: HoleIndex, extents: readonly number[]): readonly Share[] | undefined {
  if (extents.length === 0) return [];
  const sizeBytes = extents.reduce((sum, extent) => sum + extent, 0);
  const hole = holes.tightest(sizeBytes);
  if (hole !== undefined) return [{ hole, members: [...extents.keys()], sizeBytes }];
  return shareInOrder(holes, extents) ?? shareLargestFirst(holes, extents);
}

/** Each piece into the tightest hole, the largest first. @param holes the smallest first. */
export function shareLargestFirst(
  holes: Iterable<Block>,
  extents: readonly number[],
): readonly Share[] | undefined {
  const rooms = new Rooms(holes);
  const order = [...extents.keys()].sort((a, b) => extents[b]! - extents[a]!);
  for (const member of order) if (!rooms.put([member], extents[member]!)) return undefined;
  return rooms.shares();
}

function shareInOrder(holes: Iterable<Block>, extents: readonly number[]): readonly Share[] | undefined {
  const rooms = new Rooms(holes);
  let next = 0;
  while (next < extents.length) {
    const run: number[] = [];
    let runBytes = 0;
    for (; next < extents.length && runBytes + extents[next]! <= rooms.largestBytes; next++) {
      runBytes += extents[next]!;
      run.push(next);
    }
    if (run.length === 0) return undefined;
    rooms.put(run, runBytes);
  }
  return rooms.shares();
}

interface Room {
  readonly hole: Block;
  readonly members: number[];
  leftBytes: number;
}

/** What holes would have left, the least first. */
class Rooms {
  readonly #rooms: Room[];

  constructor(holes: Iterable<Block>) {
    this.#rooms = Array.from(holes, (hole) => ({ hole, members: [], leftBytes: hole.sizeBytes }));
  }

  get largestBytes(): number {
    return this.#rooms.at(-1)?.leftBytes ?? 0;
  }

  /** Puts pieces into the tightest room for all of them; false where there is none. */
  put(members: readonly number[], sizeBytes: number): boolean {
    const [room] = this.#rooms.splice(this.#firstFrom(sizeBytes), 1);
    if (room === undefined) return false;
    room.leftBytes -= sizeBytes;
    room.members.push(...members);
    this.#rooms.splice(this.#firstFrom(room.leftBytes), 0, room);
    return true;
  }

  /** Within a hole, pieces stand in the order of the group. */
  shares(): readonly Share[] {
    const taken = this.#rooms.filter(({ members }) => members.length > 0);
    return taken.map(({ hole, members, leftBytes }) => ({
      hole,
      members: members.sort((a, b) => a - b),
      sizeBytes: hole.sizeBytes - leftBytes,
    }));
  }

  #firstFrom(sizeBytes: number): number {
    let low = 0;
    let high = this.#rooms.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#rooms[middle]!.leftBytes < sizeBytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
