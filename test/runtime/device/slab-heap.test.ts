/** What a slab heap promises, by example; `slab-heap-laws.test.ts` has what holds whatever is done to one. */
import { describe, expect, it } from "vitest";
import { SlabHeap, type SlabPlacement } from "../../../runtime/device/slab-heap.ts";

const alignment = 256;

function heapOf(...slabUnits: number[]): SlabHeap {
  const heap = new SlabHeap({ alignment });
  for (const units of slabUnits) heap.addSlab(units * alignment);
  return heap;
}

const units = (...counts: number[]) => counts.map((count) => count * alignment);

/** Places pieces that must fit, each `count` units large. */
function put(heap: SlabHeap, ...counts: number[]): readonly SlabPlacement[] {
  const placements = heap.place(units(...counts));
  if (placements === undefined) throw new Error(`${counts} units do not fit`);
  return placements;
}

/** Places pieces one after another and frees those named, so that holes are left where they were. */
function layout(
  heap: SlabHeap,
  counts: readonly number[],
  freed: readonly number[],
): readonly SlabPlacement[] {
  const placements = counts.map((count) => put(heap, count)[0]!);
  for (const index of freed) heap.free(placements[index]!);
  return placements.filter((_, index) => !freed.includes(index));
}

/** `slab:offset` in units. */
const places = (placements: readonly SlabPlacement[] | undefined) =>
  placements?.map(({ slab, offset }) => `${slab}:${offset / alignment}`);

describe("SlabHeap.place()", () => {
  it("puts a group in one run, in the order given, each piece at the next aligned offset", () => {
    const heap = heapOf(8);
    expect(heap.place([300, 256, 1])).toEqual([
      { slab: 0, offset: 0, sizeBytes: 300 },
      { slab: 0, offset: 512, sizeBytes: 256 },
      { slab: 0, offset: 768, sizeBytes: 1 },
    ]);
    expect(heap.usedBytes).toBe(4 * alignment);
    expect(heap.freeBytes).toBe(4 * alignment);
  });

  it("fills a slab to its last byte", () => {
    const heap = heapOf(3);
    put(heap, 1, 2);
    expect([heap.freeBytes, heap.largestFreeBytes]).toEqual([0, 0]);
    expect(heap.place([1])).toBeUndefined();
  });

  it("puts a group into the tightest hole that takes all of it", () => {
    const heap = heapOf(20);
    layout(heap, [5, 1, 3, 1, 4, 6], [0, 2, 4]);
    expect(places(put(heap, 1, 2))).toEqual(["0:6", "0:7"]);
  });

  it("of equal holes takes that in the fuller slab", () => {
    const heap = heapOf(8);
    const [wide, , narrow] = layout(heap, [3, 1, 2, 2], []);
    heap.addSlab(4 * alignment);
    put(heap, 1);
    heap.free(wide!);
    heap.free(narrow!);
    // Both have a hole of 3: slab 0 has 5 free bytes, slab 1 has no more.
    expect(places(put(heap, 3))).toEqual(["1:1"]);
  });

  it("leaves empty slabs empty where another takes the group", () => {
    const heap = heapOf(10);
    put(heap, 1);
    heap.addSlab(4 * alignment);
    expect(places(put(heap, 3))).toEqual(["0:1"]);
    expect(heap.emptySlabs()).toEqual([1]);
  });

  it("uses an empty slab where no other takes the group", () => {
    const heap = heapOf(4, 4);
    put(heap, 1);
    expect(places(put(heap, 4))).toEqual(["1:0"]);
  });

  it("splits a group in order where no hole takes all of it", () => {
    const heap = heapOf(4, 6);
    expect(places(put(heap, 2, 2, 2, 1, 1))).toEqual(["1:0", "1:2", "1:4", "0:0", "0:1"]);
  });

  it("puts the beginning of a split group into the tightest hole that takes as much", () => {
    const heap = heapOf(5, 6);
    expect(places(put(heap, 5, 6))).toEqual(["0:0", "1:0"]);
  });

  it("distributes pieces the largest first where order does not get all of them in", () => {
    const heap = heapOf(4, 6);
    // In order, 1 and 2 go to slab 0, 4 to slab 1, and 3 finds no place.
    expect(places(put(heap, 1, 2, 4, 3))).toEqual(["1:0", "1:1", "0:0", "1:3"]);
  });

  it("never splits a piece, and places nothing where one does not fit", () => {
    const heap = heapOf(4, 4);
    expect(heap.place(units(1, 5))).toBeUndefined();
    expect(heap.usedBytes).toBe(0);
    expect(heap.place(units(1, 4))).toBeDefined();
  });

  it("places nothing for nothing", () => {
    expect(heapOf().place([])).toEqual([]);
    expect(heapOf().place([1])).toBeUndefined();
  });

  it("refuses sizes that are no positive integers", () => {
    const heap = heapOf(4);
    for (const size of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])
      expect(() => heap.place([1, size])).toThrow(RangeError);
    expect(heap.usedBytes).toBe(0);
    expect(heap.place([1, 2])).toBeDefined();
  });
});

describe("SlabHeap.free()", () => {
  it("leaves one hole of a group's bytes, in whatever order its pieces go", () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [0, 2, 1],
      [1, 0, 2],
    ]) {
      const heap = heapOf(10);
      put(heap, 1);
      const group = put(heap, 2, 3, 1);
      put(heap, 3);
      for (const index of order) heap.free(group[index]!);
      expect(heap.largestFreeBytes).toBe(6 * alignment);
      heap.check();
    }
  });

  it("refuses a piece that was freed before, even when another lies there now", () => {
    const heap = heapOf(4);
    const [first] = put(heap, 2);
    heap.free(first!);
    expect(() => heap.free(first!)).toThrow(RangeError);
    const [second] = put(heap, 2);
    expect(second).toEqual(first);
    expect(() => heap.free(first!)).toThrow("it was freed or moved");
    heap.free(second!);
    expect(heap.usedBytes).toBe(0);
  });

  it("refuses a placement of another heap", () => {
    const [stranger] = put(heapOf(4), 1);
    const heap = heapOf(4);
    const [own] = put(heap, 1);
    expect(() => heap.free(stranger!)).toThrow(RangeError);
    heap.free(own!);
  });
});

describe("slabs", () => {
  it("come and go with their bytes, under ids of their own", () => {
    const heap = heapOf(4, 6);
    expect(heap.capacityBytes).toBe(10 * alignment);
    heap.removeSlab(0);
    expect([heap.capacityBytes, heap.largestFreeBytes]).toEqual([6 * alignment, 6 * alignment]);
    expect(heap.addSlab(alignment)).toBe(2);
    expect(heap.emptySlabs()).toEqual([1, 2]);
    expect(() => heap.slab(0)).toThrow("There is no slab 0");
    heap.check();
  });

  it("are not removed while a piece lies in them", () => {
    const heap = heapOf(4);
    const [piece] = put(heap, 1);
    expect(heap.slab(0)).toEqual({ sizeBytes: 4 * alignment, usedBytes: alignment, isEmpty: false });
    expect(heap.emptySlabs()).toEqual([]);
    expect(() => heap.removeSlab(0)).toThrow("Cannot remove slab 0: 256 of its bytes are in use");
    heap.free(piece!);
    heap.removeSlab(0);
    expect(() => heap.removeSlab(0)).toThrow(RangeError);
    expect(heap.capacityBytes).toBe(0);
  });

  it("have a size that is a positive multiple of the alignment", () => {
    const heap = new SlabHeap({ alignment });
    for (const size of [0, -256, 255, 257, 256.5, Number.NaN])
      expect(() => heap.addSlab(size)).toThrow(RangeError);
    expect(heap.addSlab(512)).toBe(0);
  });

  it("are aligned to a power of two", () => {
    for (const wrong of [0, -4, 3, 0.5, 100, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => new SlabHeap({ alignment: wrong })).toThrow(RangeError);
    for (const right of [1, 4, 256]) expect(new SlabHeap({ alignment: right }).capacityBytes).toBe(0);
  });
});

describe("SlabHeap.planRoom()", () => {
  /** Slab 0: holes of 2, 1 and 2 between pieces of 1 and 2; slab 1: a hole of 2, the rest taken. */
  function fragmented() {
    const heap = heapOf(8, 8);
    const [one, two, rest] = layout(heap, [2, 1, 1, 2, 2, 6], [0, 2, 4]);
    return { heap, one: one!, two: two!, rest: rest! };
  }

  it("has no moves for a group that fits", () => {
    const { heap } = fragmented();
    expect(heap.planRoom(units(2, 2, 1))).toEqual([]);
  });

  it("moves the fewest bytes that make a hole for the whole group, to another slab, and changes nothing", () => {
    const { heap, one } = fragmented();
    const plan = heap.planRoom(units(1, 3));
    expect(plan).toEqual([{ from: one, to: { slab: 1, offset: 6 * alignment, sizeBytes: alignment } }]);
    expect(plan?.[0]?.from).toBe(one);
    expect(heap.place(units(1, 3))).toBeUndefined();
    heap.check();
  });

  it("would rather make one hole for the whole group than move less", () => {
    const { heap, two } = fragmented();
    // Moving `one` would make a hole of 4, for the 3, and leave one of 2 for the rest.
    const plan = heap.planRoom(units(3, 2));
    expect(plan?.map(({ from }) => from)).toEqual([two]);
    for (const move of plan!) heap.applyMove(move);
    expect(places(heap.place(units(3, 2)))).toEqual(["0:3", "0:6"]);
  });

  it("makes room once its moves are applied", () => {
    const { heap, one } = fragmented();
    for (const move of heap.planRoom(units(1, 3))!) heap.applyMove(move);
    heap.check();
    expect(places(heap.place(units(1, 3)))).toEqual(["0:0", "0:1"]);
    expect(() => heap.free(one)).toThrow(RangeError);
  });

  it("makes holes for single pieces where there can be none for the whole group", () => {
    // Free: 3 and 2 in slab 0, 3 in slab 1, 1 in slab 2. Nothing makes a hole of 7.
    const heap = heapOf(6, 6, 6);
    const kept = layout(heap, [3, 1, 2, 3, 3, 5], [0, 2, 3]);
    const sizes = units(3, 4);
    expect(heap.place(sizes)).toBeUndefined();
    const plan = heap.planRoom(sizes);
    expect(plan?.map(({ from }) => from)).toEqual([kept[0]]);
    for (const move of plan!) heap.applyMove(move);
    expect(heap.place(sizes)).toBeDefined();
  });

  it("has no plan where the free bytes do not suffice, or nothing can move to another slab", () => {
    const { heap } = fragmented();
    expect(heap.planRoom(units(8))).toBeUndefined();
    const lonely = heapOf(8);
    layout(lonely, [2, 1, 2, 3], [0, 2]);
    expect(lonely.freeBytes).toBe(4 * alignment);
    expect(lonely.planRoom(units(3))).toBeUndefined();
    lonely.addSlab(alignment);
    expect(lonely.planRoom(units(3))).toHaveLength(1);
  });

  it("leaves pieces where they are that cannot move", () => {
    const { heap, one, two } = fragmented();
    expect(heap.planRoom(units(4), { canMove: () => false })).toBeUndefined();
    const plan = heap.planRoom(units(4), { canMove: (placement) => placement !== one });
    expect(plan?.map(({ from }) => from)).toEqual([two]);
    expect(heap.planRoom(units(4), { canMove: (placement) => placement !== two })).toHaveLength(1);
  });

  it("moves no more bytes than it may", () => {
    const { heap } = fragmented();
    expect(heap.planRoom(units(4), { maxMovedBytes: alignment - 1 })).toBeUndefined();
    expect(heap.planRoom(units(4), { maxMovedBytes: alignment })).toHaveLength(1);
  });
});

describe("SlabHeap.applyMove()", () => {
  it("refuses a place that is not free, does not match or does not exist, and a piece that is not held", () => {
    const heap = heapOf(4, 4);
    const [from, other] = put(heap, 1, 1);
    const to = { slab: 1, offset: alignment, sizeBytes: alignment };
    for (const wrong of [
      { ...to, slab: 2 },
      { ...to, offset: 4 * alignment },
      { ...to, offset: 128 },
      { ...to, sizeBytes: alignment - 1 },
      { ...to, slab: 0 },
    ])
      expect(() => heap.applyMove({ from: from!, to: wrong })).toThrow(RangeError);
    expect(() => heap.applyMove({ from: { ...from! }, to })).toThrow(RangeError);
    heap.applyMove({ from: from!, to });
    heap.check();
    heap.free(to);
    heap.free(other!);
    expect(heap.emptySlabs()).toEqual([0, 1]);
  });
});
