/**
 * The bytes of slabs as blocks in the order of their addresses: pieces and the holes between them.
 * Keeps what every change must keep (blocks cover their slab, no two holes are neighbours, every hole is in the
 * index) and decides nothing: which hole a piece gets is up to `hole-shares.ts`, what moves up to `compaction.ts`.
 */
import { HoleIndex } from "./hole-index.ts";
import type { SlabPlacement } from "./slab-heap.ts";

export interface Slab {
  readonly id: number;
  readonly sizeBytes: number;
  usedBytes: number;
  first: Block | undefined;
}

/** Consecutive bytes of a slab; offset and size are multiples of the alignment. */
export interface Block {
  slab: Slab;
  offset: number;
  sizeBytes: number;
  /** The piece that lies here. A reserved block is about to become pieces. */
  content: SlabPlacement | "free" | "reserved";
  previous: Block | undefined;
  next: Block | undefined;
}

export class SlabSpace {
  readonly alignment: number;
  readonly slabs = new Map<number, Slab>();
  readonly holes = new HoleIndex();
  #capacityBytes = 0;
  #usedBytes = 0;
  #nextId = 0;

  constructor(alignment: number) {
    this.alignment = alignment;
  }

  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get freeBytes(): number {
    return this.#capacityBytes - this.#usedBytes;
  }

  addSlab(sizeBytes: number): Slab {
    const slab: Slab = { id: this.#nextId++, sizeBytes, usedBytes: 0, first: undefined };
    const hole: Block = { slab, offset: 0, sizeBytes, content: "free", previous: undefined, next: undefined };
    slab.first = hole;
    this.slabs.set(slab.id, slab);
    this.holes.add(hole);
    this.#capacityBytes += sizeBytes;
    return slab;
  }

  /** @param slab an empty one. */
  removeSlab(slab: Slab): void {
    this.holes.delete(slab.first!);
    this.slabs.delete(slab.id);
    this.#capacityBytes -= slab.sizeBytes;
  }

  /** The bytes that a piece takes up. */
  extentOf(sizeBytes: number): number {
    return Math.ceil(sizeBytes / this.alignment) * this.alignment;
  }

  /** The hole that contains this range, if one does. */
  holeAt(slabId: number, offset: number, sizeBytes: number): Block | undefined {
    for (const hole of this.holes) {
      if (hole.slab.id !== slabId || hole.offset > offset) continue;
      if (offset + sizeBytes <= hole.offset + hole.sizeBytes) return hole;
    }
    return undefined;
  }

  /** Makes a range of a hole a block of its own. What is left stays free; behind the range, it stays the same object. */
  take(hole: Block, offset: number, sizeBytes: number, content: SlabPlacement | "reserved"): Block {
    this.holes.delete(hole);
    if (offset > hole.offset) this.holes.add(this.cut(hole, offset - hole.offset));
    let block = hole;
    if (sizeBytes < hole.sizeBytes) {
      block = this.cut(hole, sizeBytes);
      this.holes.add(hole);
    }
    block.content = content;
    block.slab.usedBytes += sizeBytes;
    this.#usedBytes += sizeBytes;
    return block;
  }

  /** Cuts the first bytes of a block off, which must not be in the index, and returns them as a block. */
  cut(block: Block, sizeBytes: number): Block {
    const { slab, offset, content, previous } = block;
    const head: Block = { slab, offset, sizeBytes, content, previous, next: block };
    block.offset += sizeBytes;
    block.sizeBytes -= sizeBytes;
    link(head);
    return head;
  }

  /** Makes a block free, and one with the holes beside it. */
  release(block: Block): void {
    block.content = "free";
    block.slab.usedBytes -= block.sizeBytes;
    this.#usedBytes -= block.sizeBytes;
    const { previous, next } = block;
    if (previous?.content === "free") {
      this.holes.delete(previous);
      block.offset = previous.offset;
      block.sizeBytes += previous.sizeBytes;
      block.previous = previous.previous;
    }
    if (next?.content === "free") {
      this.holes.delete(next);
      block.sizeBytes += next.sizeBytes;
      block.next = next.next;
    }
    link(block);
    this.holes.add(block);
  }

  /** Moves a piece to `offset` of a hole. Its block stays the same object. */
  relocate(block: Block, hole: Block, offset: number, content: SlabPlacement): void {
    const vacated: Block = { ...block };
    link(vacated);
    Object.assign(block, this.take(hole, offset, block.sizeBytes, content));
    link(block);
    this.release(vacated);
  }

  /** @throws Error naming what does not hold. */
  check(): void {
    const holes = new Set(this.holes);
    let capacityBytes = 0;
    let usedBytes = 0;
    for (const slab of this.slabs.values()) {
      let end = 0;
      let used = 0;
      let previous: Block | undefined;
      for (const block of blocksOf(slab)) {
        const where = `the block at ${block.offset} of slab ${slab.id}`;
        assert(block.slab === slab && block.previous === previous, `${where} is linked to its neighbours`);
        assert(block.offset === end && block.sizeBytes > 0, `${where} begins where the one before ends`);
        assert(end % this.alignment === 0, `${where} is aligned`);
        assert(block.content !== "reserved", `${where} is free or a piece`);
        const isHole = block.content === "free";
        assert(holes.delete(block) === isHole, `${where} is in the index exactly if it is a hole`);
        assert(!isHole || previous?.content !== "free", `${where} has no hole before it when it is one`);
        if (!isHole) used += block.sizeBytes;
        end += block.sizeBytes;
        previous = block;
      }
      assert(end === slab.sizeBytes, `the blocks of slab ${slab.id} cover it`);
      assert(used === slab.usedBytes, `slab ${slab.id} counts its used bytes`);
      capacityBytes += end;
      usedBytes += used;
    }
    assert(holes.size === 0, "the index has holes of these slabs only");
    assert(capacityBytes === this.#capacityBytes && usedBytes === this.#usedBytes, "the sums are right");
  }
}

function* blocksOf(slab: Slab): Generator<Block> {
  for (let block = slab.first; block !== undefined; block = block.next) yield block;
}

/** Makes what stands before and after a block point to it. */
function link(block: Block): void {
  if (block.previous === undefined) block.slab.first = block;
  else block.previous.next = block;
  if (block.next !== undefined) block.next.previous = block;
}

export function assert(holds: boolean, law: string): void {
  if (!holds) throw new Error(`A law of the slab heap is broken: ${law}`);
}
