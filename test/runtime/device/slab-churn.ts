/** Random churn of functions in a slab heap: loads one after another, evicting at random until the next fits. */
import { SlabHeap, type SlabPlacement } from "../../../runtime/device/slab-heap.ts";
import { seededFloats } from "../../conformance/seeded.ts";

export interface ChurnOptions {
  readonly functions: readonly (readonly number[])[];
  readonly slabCount: number;
  readonly slabBytes: number;
  readonly loads: number;
  readonly seed: number;
  /** Whether a load that does not fit asks for moves before it evicts. */
  readonly moves: boolean;
}

export interface ChurnReport {
  /** Most bytes free while a load failed that needed no more than these, over the capacity. */
  readonly freeAtFailure: number;
  /** The same less what the load needed: bytes beyond the need that did not help. */
  readonly wasteAtFailure: number;
  /** Loads that failed though they needed no more than the free bytes. */
  readonly failures: number;
  /** Of these, loads for which moves were found. */
  readonly rescued: number;
  /** Bytes moved over bytes loaded. */
  readonly movedShare: number;
  /** Runs that a load was placed in, on average; and its pieces. */
  readonly runs: number;
  readonly pieces: number;
  readonly meanPlanMs: number;
  readonly maxPlanMs: number;
}

const alignment = 256;
const alignedBytes = (sizeBytes: number) => Math.ceil(sizeBytes / alignment) * alignment;

export function churn(options: ChurnOptions): ChurnReport {
  const heap = new SlabHeap({ alignment });
  for (let i = 0; i < options.slabCount; i++) heap.addSlab(options.slabBytes);
  const draws = seededFloats(20 * options.loads, options.seed).values();
  const random = (below: number) => Math.min(below - 1, Math.floor(((draws.next().value! + 1) / 2) * below));
  const loaded: SlabPlacement[][] = [];
  const ownerOf = new Map<SlabPlacement, SlabPlacement[]>();
  const planMs: number[] = [];
  let [freeAtFailure, wasteAtFailure, failures, rescued, movedBytes, loadedBytes, runs, pieces] =
    Array(8).fill(0);

  const move = (sizes: readonly number[]): boolean => {
    const begin = performance.now();
    const plan = heap.planRoom(sizes);
    planMs.push(performance.now() - begin);
    for (const step of plan ?? []) {
      heap.applyMove(step);
      movedBytes += step.from.sizeBytes;
      const owner = ownerOf.get(step.from)!;
      owner[owner.indexOf(step.from)] = step.to;
      ownerOf.delete(step.from);
      ownerOf.set(step.to, owner);
    }
    return plan !== undefined;
  };
  const evict = () => {
    const [evicted] = loaded.splice(random(loaded.length), 1);
    for (const placement of evicted!) {
      heap.free(placement);
      ownerOf.delete(placement);
    }
  };
  const load = (sizes: readonly number[]): readonly SlabPlacement[] => {
    const neededBytes = sizes.reduce((sum, sizeBytes) => sum + alignedBytes(sizeBytes), 0);
    for (;;) {
      const placements = heap.place(sizes);
      if (placements !== undefined) return placements;
      if (neededBytes <= heap.freeBytes) {
        failures++;
        if (options.moves && move(sizes)) {
          rescued++;
          continue;
        }
        freeAtFailure = Math.max(freeAtFailure, heap.freeBytes / heap.capacityBytes);
        wasteAtFailure = Math.max(wasteAtFailure, (heap.freeBytes - neededBytes) / heap.capacityBytes);
      }
      evict();
    }
  };

  for (let i = 0; i < options.loads; i++) {
    const base = options.functions[random(options.functions.length)]!;
    // Every other function is of a width of its own, so that holes and groups seldom match.
    const scale = random(2) === 0 ? 1 : 0.6 + random(400) / 1000;
    const placements = [...load(base.map((sizeBytes) => 4 * Math.ceil((sizeBytes * scale) / 4)))];
    loaded.push(placements);
    for (const [at, placement] of placements.entries()) {
      ownerOf.set(placement, placements);
      loadedBytes += placement.sizeBytes;
      pieces++;
      const before = placements[at - 1];
      const isNext = before !== undefined && before.slab === placement.slab;
      if (!isNext || before.offset + alignedBytes(before.sizeBytes) !== placement.offset) runs++;
    }
  }
  heap.check();
  while (loaded.length > 0) evict();
  heap.check();
  if (heap.emptySlabs().length !== options.slabCount) throw new Error("The churn has lost bytes");
  return {
    ...{ freeAtFailure, wasteAtFailure, failures, rescued },
    movedShare: movedBytes / loadedBytes,
    runs: runs / options.loads,
    pieces: pieces / options.loads,
    meanPlanMs: planMs.reduce((sum, ms) => sum + ms, 0) / Math.max(1, planMs.length),
    maxPlanMs: Math.max(0, ...planMs),
  };
}
