/**
 * Forms rounds of the runs that wait: whose turn it is by fair-queue.ts, how many by lane-limits.ts, and only as many as
 * there is activation memory for. It submits nothing.
 */
import { FairQueue } from "./fair-queue.ts";
import { maxLanes } from "./lane-controller.ts";
import type { LaneLimits } from "./lane-limits.ts";
import type { LanePool } from "./lane-pool.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import type { PendingRun } from "./pending-run.ts";

export interface RoundFormerOptions {
  readonly lanes: LanePool;
  readonly limits: LaneLimits;
}

export interface FormedRound {
  readonly runs: readonly PendingRun[];
  /** It has as many runs as it may, and others wait. */
  readonly isFull: boolean;
}

/** For sums of fractions. */
const rounding = 1e-9;

export class RoundFormer {
  readonly #options: RoundFormerOptions;
  readonly #waiting = new FairQueue<LoadedProgram, PendingRun>();

  constructor(options: RoundFormerOptions) {
    this.#options = options;
  }

  /** Runs that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  add(run: PendingRun): void {
    this.#waiting.push(run);
  }

  /** Removes and returns all runs that wait. */
  clear(): PendingRun[] {
    return this.#waiting.clear();
  }

  /**
   * Takes the next round from those that wait. Each has its lane, by its place in the round, and memory for what it
   * leaves. @returns no runs where there was no memory for the first, which fails then.
   */
  form(): FormedRound {
    const { limits } = this.#options;
    const now = performance.now();
    const runs: PendingRun[] = [];
    let filled = 0;
    for (;;) {
      const run = this.#waiting.peek(now);
      if (run === undefined) return { runs, isFull: false };
      // A Program's first run goes alone: what the device refuses then is its fault and hurts no other.
      const isAlone = !run.program.isProven;
      if (runs.length > 0) {
        filled += 1 / limits.lanesFor(run.program.cost.warmMs);
        if (filled > 1 + rounding || runs.length === maxLanes) return { runs, isFull: true };
        if (isAlone || !this.#hasRoom(run, runs.length)) return { runs, isFull: false };
      } else {
        filled = 1 / limits.lanesFor(run.program.cost.warmMs);
        if (!this.#makeRoom(run)) return { runs, isFull: false };
      }
      this.#waiting.take();
      runs.push(run);
      if (isAlone) return { runs, isFull: false };
    }
  }

  /** Where there is no room for one lane more, the rest waits for the next round. */
  #hasRoom(run: PendingRun, lane: number): boolean {
    try {
      this.#reserve(run, lane);
      return true;
    } catch {
      return false;
    }
  }

  /** Where there is no room for even one lane, the run fails. */
  #makeRoom(run: PendingRun): boolean {
    try {
      this.#reserve(run, 0);
    } catch (error) {
      this.#options.lanes.shrink();
      if (this.#hasRoom(run, 0)) return true;
      this.#waiting.take();
      run.reject(error);
      return false;
    }
    return true;
  }

  /** @throws DawnletError as Ledger.createBuffer; what was made until then stays, or is freed when the run fails. */
  #reserve(run: PendingRun, lane: number): void {
    this.#options.lanes.at(lane).reserve(run.program.slots.slotBytes);
    run.tensors?.reserve();
  }
}
