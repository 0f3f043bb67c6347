/**
 * The holes of all slabs, the smallest first, to find the tightest one. A sorted array, as there are hundreds of
 * holes, not millions. A hole must not change while it is in here.
 */
import type { Block } from "./slab-space.ts";

export class HoleIndex {
  /** By size, then slab, then offset: the same holes always stand in the same order. */
  readonly #holes: Block[] = [];

  get largestBytes(): number {
    return this.#holes.at(-1)?.sizeBytes ?? 0;
  }

  /** The smallest first. */
  [Symbol.iterator](): IterableIterator<Block> {
    return this.#holes.values();
  }

  add(hole: Block): void {
    this.#holes.splice(this.#firstFrom(hole.sizeBytes, hole.slab.id, hole.offset), 0, hole);
  }

  delete(hole: Block): void {
    const at = this.#firstFrom(hole.sizeBytes, hole.slab.id, hole.offset);
    if (this.#holes[at] !== hole) throw new RangeError("The hole is not in the index");
    this.#holes.splice(at, 1);
  }

  /**
   * The smallest hole of at least `sizeBytes`, of equal ones that in the fullest slab. Holes that are a whole slab
   * come last, so that empty slabs stay empty and can be given back.
   */
  tightest(sizeBytes: number): Block | undefined {
    let best: Block | undefined;
    for (let at = this.#firstFrom(sizeBytes, -1, 0); at < this.#holes.length; at++) {
      const hole = this.#holes[at]!;
      if (best !== undefined && best.slab.usedBytes > 0 && hole.sizeBytes > best.sizeBytes) break;
      if (best === undefined || isPreferred(hole, best)) best = hole;
    }
    return best;
  }

  #firstFrom(sizeBytes: number, slabId: number, offset: number): number {
    let low = 0;
    let high = this.#holes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const hole = this.#holes[middle]!;
      const order = hole.sizeBytes - sizeBytes || hole.slab.id - slabId || hole.offset - offset;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Whether a hole is better than one that stands before it in the index. */
function isPreferred({ slab, sizeBytes }: Block, best: Block): boolean {
  if (slab.usedBytes === 0) return false;
  if (best.slab.usedBytes === 0) return true;
  return (
    sizeBytes === best.sizeBytes &&
    slab.sizeBytes - slab.usedBytes < best.slab.sizeBytes - best.slab.usedBytes
  );
}
