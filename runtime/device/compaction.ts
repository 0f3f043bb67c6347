/**
 * Plans moves that make room for a group where the free bytes suffice but the holes do not. A plan is made by moving
 * and then moving back, as a copy of all blocks would cost more than the plan (80,000 of them: 5 ms).
 * Pieces move to other slabs only, since WebGPU copies nothing within one buffer.
 */
import { shareHoles, shareLargestFirst } from "./hole-shares.ts";
import type { PlanRoomOptions, SlabMove, SlabPlacement } from "./slab-heap.ts";
import type { Block, Slab, SlabSpace } from "./slab-space.ts";

/**
 * Tries to make one hole for the whole group, then a hole for each piece that has none, the largest first.
 * @param extents aligned sizes in bytes.
 * @returns the moves in order, none where the group fits already; undefined where no plan was found.
 */
export function planMoves(
  space: SlabSpace,
  extents: readonly number[],
  options: PlanRoomOptions,
): readonly SlabMove[] | undefined {
  if (shareHoles(space.holes, extents) !== undefined) return [];
  const sizeBytes = extents.reduce((sum, extent) => sum + extent, 0);
  if (sizeBytes > space.freeBytes) return undefined;
  const compaction = new Compaction(space, options);
  try {
    const isMade = compaction.makeHole(sizeBytes) || compaction.makeHoles(extents);
    return isMade ? [...compaction.moves] : undefined;
  } finally {
    compaction.undo();
  }
}

/** Where a hole could be made: `sizeBytes` from a hole's start on, or up to its end. */
interface Window {
  readonly hole: Block;
  readonly towards: "next" | "previous";
  readonly sizeBytes: number;
  /** Of the window, by pieces. */
  readonly usedBytes: number;
}

/** Windows tried for one hole, the least used first: in churn, 200 found little more than 32. */
const triedWindows = 32;

class Compaction {
  readonly moves: SlabMove[] = [];
  readonly #moved: Block[] = [];
  readonly #space: SlabSpace;
  readonly #canMove: (placement: SlabPlacement) => boolean;
  #movableBytes: number;

  /** @param space is changed as the moves would change it, until `undo`. */
  constructor(space: SlabSpace, { canMove = () => true, maxMovedBytes = Infinity }: PlanRoomOptions) {
    this.#space = space;
    this.#canMove = canMove;
    this.#movableBytes = maxMovedBytes;
  }

  /** False where it cannot; nothing is moved then. */
  makeHole(sizeBytes: number): boolean {
    let tried = 0;
    for (const window of windowsOf(this.#space.holes, sizeBytes)) {
      const pieces = this.#piecesOf(window);
      if (pieces === undefined) continue;
      if (this.#moveElsewhere(pieces, window.hole.slab)) return true;
      if (++tried === triedWindows) break;
    }
    return false;
  }

  /** One for each extent that has none, the largest first. False where it cannot; some moves may be made then. */
  makeHoles(extents: readonly number[]): boolean {
    const reserved: Block[] = [];
    try {
      for (const extent of extents.toSorted((a, b) => b - a)) {
        if (this.#space.holes.largestBytes < extent && !this.makeHole(extent)) return false;
        const hole = this.#space.holes.tightest(extent)!;
        reserved.push(this.#space.take(hole, hole.offset, extent, "reserved"));
      }
    } finally {
      for (const block of reserved) this.#space.release(block);
    }
    return shareHoles(this.#space.holes, extents) !== undefined;
  }

  undo(): void {
    for (const block of this.#moved.reverse()) {
      const { from } = this.moves.pop()!;
      const hole = this.#space.holeAt(from.slab, from.offset, block.sizeBytes)!;
      this.#space.relocate(block, hole, from.offset, from);
    }
  }

  /** The pieces that lie in a window, if only in part; undefined where they cannot all move. */
  #piecesOf({ hole, towards, sizeBytes }: Window): readonly Block[] | undefined {
    const pieces: Block[] = [];
    let seenBytes = 0;
    let movedBytes = 0;
    for (let block: Block | undefined = hole; seenBytes < sizeBytes; block = block[towards]!) {
      seenBytes += block.sizeBytes;
      if (block.content === "free") continue;
      movedBytes += block.sizeBytes;
      if (movedBytes > this.#movableBytes) return undefined;
      if (block.content === "reserved" || !this.#canMove(block.content)) return undefined;
      pieces.push(block);
    }
    return pieces;
  }

  /** Moves pieces of a slab to others, all or none. */
  #moveElsewhere(pieces: readonly Block[], slab: Slab): boolean {
    const holes = Array.from(this.#space.holes).filter((hole) => hole.slab !== slab);
    const extents = pieces.map(({ sizeBytes }) => sizeBytes);
    const shares = shareLargestFirst(holes, extents);
    for (const { hole, members } of shares ?? [])
      for (const member of members) this.#move(pieces[member]!, hole);
    return shares !== undefined;
  }

  #move(block: Block, hole: Block): void {
    const from = block.content as SlabPlacement;
    const to = { slab: hole.slab.id, offset: hole.offset, sizeBytes: from.sizeBytes };
    this.#space.relocate(block, hole, hole.offset, to);
    this.#movableBytes -= block.sizeBytes;
    this.moves.push({ from, to });
    this.#moved.push(block);
  }
}

/** From each hole to either side, the least used first. Looks at holes only: they are far fewer than pieces. */
function windowsOf(holes: Iterable<Block>, sizeBytes: number): readonly Window[] {
  const inSlabs = [...holes].sort((a, b) => a.slab.id - b.slab.id || a.offset - b.offset);
  const windows: Window[] = [];
  for (const [at, hole] of inSlabs.entries())
    for (const towards of ["next", "previous"] as const) {
      const start = towards === "next" ? hole.offset : hole.offset + hole.sizeBytes - sizeBytes;
      const end = start + sizeBytes;
      if (start < 0 || end > hole.slab.sizeBytes) continue;
      let usedBytes = sizeBytes;
      for (let i = at; inSlabs[i]?.slab === hole.slab; i += towards === "next" ? 1 : -1) {
        const other = inSlabs[i]!;
        const overlap = Math.min(end, other.offset + other.sizeBytes) - Math.max(start, other.offset);
        if (overlap <= 0) break;
        usedBytes -= overlap;
      }
      windows.push({ hole, towards, sizeBytes, usedBytes });
    }
  return windows.sort((a, b) => a.usedBytes - b.usedBytes);
}
