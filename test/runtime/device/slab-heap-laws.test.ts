/**
 * What holds of a slab heap whatever is done to it, against a model that keeps a list of what lies where:
 * random slabs, groups, frees, moves and plans.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type PlanRoomOptions, SlabHeap, type SlabPlacement } from "../../../runtime/device/slab-heap.ts";

const alignment = 4;
const aligned = (sizeBytes: number) => Math.ceil(sizeBytes / alignment) * alignment;
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

interface Range {
  readonly slab: number;
  readonly start: number;
  readonly end: number;
}

const rangeOf = ({ slab, offset, sizeBytes }: SlabPlacement): Range => ({
  slab,
  start: offset,
  end: offset + aligned(sizeBytes),
});

class Model {
  readonly slabs = new Map<number, number>();
  readonly pieces: SlabPlacement[] = [];

  holes(): readonly Range[] {
    return [...this.slabs].flatMap(([slab, sizeBytes]) => {
      const pieces = this.pieces.map(rangeOf).filter((range) => range.slab === slab);
      const ends = [0, ...pieces.map(({ end }) => end)].toSorted((a, b) => a - b);
      const starts = [...pieces.map(({ start }) => start), sizeBytes].toSorted((a, b) => a - b);
      const gaps = ends.map((start, i) => ({ slab, start, end: starts[i]! }));
      return gaps.filter(({ start, end }) => end > start);
    });
  }

  isEmpty(slab: number): boolean {
    return this.pieces.every((piece) => piece.slab !== slab);
  }

  /** Checks that a piece lies aligned, inside a slab and on nothing else. */
  add(piece: SlabPlacement): void {
    const { slab, start, end } = rangeOf(piece);
    expect(start % alignment).toBe(0);
    const isFree = this.holes().some((hole) => hole.slab === slab && hole.start <= start && end <= hole.end);
    expect(isFree, `${JSON.stringify(piece)} lies in a hole`).toBe(true);
    this.pieces.push(piece);
  }

  remove(piece: SlabPlacement): void {
    this.pieces.splice(this.pieces.indexOf(piece), 1);
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 5 });
const planOptions = fc.record(
  { maxMovedBytes: fc.integer({ min: 0, max: 200 }), stuck: fc.integer({ min: 2, max: 5 }) },
  { requiredKeys: [] },
);
const operation = fc.oneof(
  fc.record({ type: fc.constant("addSlab" as const), units: fc.integer({ min: 1, max: 32 }) }),
  fc.record({ type: fc.constant("removeSlab" as const), index: fc.nat() }),
  { weight: 6, arbitrary: fc.record({ type: fc.constant("place" as const), sizes }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant("free" as const), index: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("plan" as const), sizes, options: planOptions }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
const operations = fc.array(operation, { maxLength: 60, size: "max" });

/** Counts what happened, so that a test can tell that it saw what it is about. */
const seen = { placed: 0, split: 0, refused: 0, planned: 0, unplanned: 0, movedPieces: 0 };

function newHeap(): { heap: SlabHeap; model: Model } {
  const heap = new SlabHeap({ alignment });
  const model = new Model();
  for (const units of [8, 16, 16]) model.slabs.set(heap.addSlab(units * alignment), units * alignment);
  return { heap, model };
}

function place(heap: SlabHeap, model: Model, group: readonly number[]): void {
  const extents = group.map(aligned);
  const holes = model.holes();
  const whole = holes.filter(({ start, end }) => end - start >= sum(extents));
  const emptyBefore = new Set([...model.slabs.keys()].filter((slab) => model.isEmpty(slab)));
  const placements = heap.place(group);
  if (placements === undefined) {
    seen.refused++;
    expect(whole).toEqual([]);
    return;
  }
  seen.placed++;
  expect(placements.map(({ sizeBytes }) => sizeBytes)).toEqual(group);
  for (const placement of placements) model.add(placement);
  if (group.length === 0) return;
  if (whole.length === 0) {
    seen.split++;
    return;
  }
  const [first] = placements;
  let offset = first!.offset;
  for (const placement of placements) {
    expect(placement).toMatchObject({ slab: first!.slab, offset });
    offset += aligned(placement.sizeBytes);
  }
  const inUse = whole.filter(({ slab }) => !emptyBefore.has(slab));
  const candidates = inUse.length > 0 ? inUse : whole;
  const tightest = Math.min(...candidates.map(({ start, end }) => end - start));
  const chosen = whole.find(({ slab, start }) => slab === first!.slab && start === first!.offset);
  expect(chosen!.end - chosen!.start).toBe(tightest);
  expect(candidates).toContain(chosen);
}

function plan(heap: SlabHeap, model: Model, operation: Operation & { type: "plan" }): void {
  const { maxMovedBytes, stuck } = operation.options;
  const stuckPieces = new Set(model.pieces.filter((_, index) => stuck !== undefined && index % stuck === 0));
  const options: PlanRoomOptions = {
    canMove: (placement) => !stuckPieces.has(placement),
    ...(maxMovedBytes !== undefined && { maxMovedBytes }),
  };
  const moves = heap.planRoom(operation.sizes, options);
  heap.check();
  expect(heap.planRoom(operation.sizes, options)).toEqual(moves);
  if (moves === undefined) {
    seen.unplanned++;
    expect(heap.place(operation.sizes)).toBeUndefined();
    return;
  }
  if (moves.length > 0) {
    seen.planned++;
    expect(heap.place(operation.sizes)).toBeUndefined();
  }
  expect(sum(moves.map(({ from }) => aligned(from.sizeBytes)))).toBeLessThanOrEqual(
    maxMovedBytes ?? Infinity,
  );
  for (const { from, to } of moves) {
    seen.movedPieces++;
    expect(stuckPieces.has(from)).toBe(false);
    expect(to.sizeBytes).toBe(from.sizeBytes);
    expect(to.slab).not.toBe(from.slab);
    expect(model.pieces).toContain(from);
    model.add(to);
    model.remove(from);
    heap.applyMove({ from, to });
    heap.check();
    expect(() => heap.free(from)).toThrow(RangeError);
  }
  const placements = heap.place(operation.sizes);
  expect(placements).toBeDefined();
  for (const placement of placements!) model.add(placement);
}

function apply(heap: SlabHeap, model: Model, operation: Operation): void {
  switch (operation.type) {
    case "addSlab":
      model.slabs.set(heap.addSlab(operation.units * alignment), operation.units * alignment);
      return;
    case "removeSlab": {
      const id = [...model.slabs.keys()][operation.index % model.slabs.size];
      if (id === undefined) return;
      if (!model.isEmpty(id)) {
        expect(() => heap.removeSlab(id)).toThrow(RangeError);
        return;
      }
      heap.removeSlab(id);
      model.slabs.delete(id);
      return;
    }
    case "place":
      place(heap, model, operation.sizes);
      return;
    case "free": {
      const piece = model.pieces[operation.index % model.pieces.length];
      if (piece === undefined) return;
      heap.free(piece);
      model.remove(piece);
      expect(() => heap.free(piece)).toThrow(RangeError);
      return;
    }
    case "plan":
      plan(heap, model, operation);
      return;
    default:
      operation satisfies never;
  }
}

function compare(heap: SlabHeap, model: Model): void {
  heap.check();
  const used = model.pieces.map(({ sizeBytes }) => aligned(sizeBytes));
  const capacity = sum([...model.slabs.values()]);
  expect(heap.capacityBytes).toBe(capacity);
  expect(heap.usedBytes).toBe(sum(used));
  expect(heap.freeBytes).toBe(capacity - sum(used));
  expect(heap.largestFreeBytes).toBe(Math.max(0, ...model.holes().map(({ start, end }) => end - start)));
  expect(heap.emptySlabs()).toEqual([...model.slabs.keys()].filter((slab) => model.isEmpty(slab)));
  for (const [id, sizeBytes] of model.slabs) {
    const inSlab = model.pieces.filter(({ slab }) => slab === id).map((piece) => aligned(piece.sizeBytes));
    expect(heap.slab(id)).toEqual({ sizeBytes, usedBytes: sum(inSlab), isEmpty: inSlab.length === 0 });
  }
}

it("pieces lie aligned in slabs and never on each other, bytes are counted right, and nothing leaks", () => {
  fc.assert(
    fc.property(operations, (list) => {
      const { heap, model } = newHeap();
      for (const operation of list) {
        apply(heap, model, operation);
        compare(heap, model);
      }
      for (const piece of model.pieces) heap.free(piece);
      heap.check();
      expect(heap.emptySlabs()).toEqual([...model.slabs.keys()]);
      expect(heap.largestFreeBytes).toBe(Math.max(0, ...model.slabs.values()));
    }),
    { numRuns: 400 },
  );
  console.log(`Slab heap against its model: ${JSON.stringify(seen)}`);
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
});

it("the same calls give the same placements", () => {
  fc.assert(
    fc.property(operations, (list) => {
      const runs = [newHeap(), newHeap()];
      for (const operation of list) for (const { heap, model } of runs) apply(heap, model, operation);
      expect(runs[1]!.model.pieces).toEqual(runs[0]!.model.pieces);
    }),
    { numRuns: 50 },
  );
});

/** A heap in any state, made by placing and freeing. */
function heapAfter(list: readonly Operation[]): { heap: SlabHeap; model: Model } {
  const { heap, model } = newHeap();
  for (const operation of list) if (operation.type !== "plan") apply(heap, model, operation);
  return { heap, model };
}

it("equal pieces are placed exactly if the holes have room for as many", () => {
  const outcomes = new Set<boolean>();
  fc.assert(
    fc.property(
      operations,
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 1, max: 12 }),
      (list, size, count) => {
        const { heap, model } = heapAfter(list);
        const room = sum(model.holes().map(({ start, end }) => Math.floor((end - start) / aligned(size))));
        const isPlaced = heap.place(new Array(count).fill(size)) !== undefined;
        expect(isPlaced).toBe(count <= room);
        outcomes.add(isPlaced);
      },
    ),
    { numRuns: 300 },
  );
  expect(outcomes.size).toBe(2);
});

it("a plan is found wherever moving one piece to another slab makes room for a piece", () => {
  let found = 0;
  fc.assert(
    fc.property(operations, fc.integer({ min: 1, max: 24 }), (list, missing) => {
      const { heap, model } = heapAfter(list);
      const size = heap.largestFreeBytes + missing;
      expect(heap.place([size])).toBeUndefined();
      const holes = model.holes();
      const isEnough = model.pieces.some((piece) => {
        const { slab, start, end } = rangeOf(piece);
        const before = holes.find((hole) => hole.slab === slab && hole.end === start)?.start ?? start;
        const after = holes.find((hole) => hole.slab === slab && hole.start === end)?.end ?? end;
        const fits = holes.some((hole) => hole.slab !== slab && hole.end - hole.start >= end - start);
        return fits && after - before >= aligned(size);
      });
      if (!isEnough) return;
      found++;
      expect(heap.planRoom([size])).toBeDefined();
    }),
    { numRuns: 500 },
  );
  expect(found).toBeGreaterThan(0);
});
