/**
 * Which combinations of quota, lanes and batch are measured, in which order, and what becomes of those for which there is
 * no time: first how many lanes pay off, then all of these with all of the time, then the smaller quotas. So what time
 * runs out for can be inferred from what is known. How a run is made is the bench's matter.
 */
import type { MeasuredPoint } from "../../scheduler/profile/measured-profile.ts";
import { percent, shortNumber } from "../../scheduler/profile/profile-text.ts";
import { type CellFigures, type Clock, type FinishedRun, measureCell } from "./measure-cell.ts";

/** What is measured. */
export interface Bench {
  /** Calls that a run can have, ascending; the first is 1. */
  readonly batches: readonly number[];
  /** A run of so many calls. @throws DawnletError */
  run(batch: number): Promise<FinishedRun>;
  /** Begins to watch what the device does for others. @returns milliseconds of it, about, since then. */
  watchOthers(): () => number;
  readonly clock: Clock;
}

export interface SweepOptions {
  /** Ascending; the last is 1. */
  readonly quotas: readonly number[];
  /** Most that are tried. */
  readonly maxLanes: number;
  /** Of everything. */
  readonly seconds: number;
  readonly onProgress: (message: string) => void;
}

export interface Sweep {
  /** A whole grid. */
  readonly points: readonly MeasuredPoint[];
  readonly notes: readonly string[];
}

/** Over which a quota is kept: as FaST-GShare's windows, some frames of a video. */
export const quotaWindowMs = 100;
/** Time and runs of one combination. */
const cellMs = 500;
const leastCellMs = 50;
const leastRuns = 5;
/** Twice the lanes that answer less than this more do not pay off: noise answers as much. */
const worthwhile = 1.1;
/** Levels of lanes that are expected until it is known. */
const usualLevels = 3;

interface Cell {
  readonly quota: number;
  readonly lanes: number;
  readonly batch: number;
}

type Figures = CellFigures & Pick<MeasuredPoint, "othersBusy">;

/** @throws what the bench throws. */
export function sweep(bench: Bench, options: SweepOptions): Promise<Sweep> {
  return new Sweeper(bench, options).sweep();
}

class Sweeper {
  readonly #bench: Bench;
  readonly #options: SweepOptions;
  readonly #deadline: number;
  readonly #figures = new Map<string, Figures>();
  readonly #notes: string[] = [];
  #done = 0;

  constructor(bench: Bench, options: SweepOptions) {
    this.#bench = bench;
    this.#options = options;
    this.#deadline = bench.clock.now() + 1000 * options.seconds;
  }

  async sweep(): Promise<Sweep> {
    const { quotas } = this.#options;
    const lanes = await this.#climbLanes();
    const batches = await this.#measureBatches(lanes);
    const partial = quotas.filter((quota) => quota < 1).reverse();
    const cells = partial.flatMap((quota) =>
      batches.flatMap((batch) => lanes.map((count) => ({ quota, lanes: count, batch }))),
    );
    for (const [i, cell] of cells.entries()) {
      const left = cells.length - i;
      if (this.#hasTimeFor(cell)) await this.#measure(cell, left);
    }
    const whole = quotas.flatMap((quota) =>
      lanes.flatMap((count) => batches.map((batch) => ({ quota, lanes: count, batch }))),
    );
    return { points: whole.map((cell) => this.#pointOf(cell, lanes.at(-1)!)), notes: this.#notes };
  }

  /** @returns 1, 2, 4, … up to the last that paid off. */
  async #climbLanes(): Promise<readonly number[]> {
    const { quotas, maxLanes } = this.#options;
    const batch = this.#bench.batches[0]!;
    const left = quotas.length * this.#bench.batches.length * usualLevels;
    await this.#warm(batch);
    const paying = [1];
    let best = await this.#measure({ quota: 1, lanes: 1, batch }, left);
    for (let lanes = 2; lanes <= maxLanes && !this.#isOver; lanes *= 2) {
      const figures = await this.#measure({ quota: 1, lanes, batch }, left);
      if (figures.runsPerSecond < worthwhile * best.runsPerSecond) break;
      paying.push(lanes);
      best = figures;
    }
    return paying;
  }

  /** With all of the time. @returns those for which there was time. */
  async #measureBatches(lanes: readonly number[]): Promise<readonly number[]> {
    const { quotas } = this.#options;
    const { batches } = this.#bench;
    for (const [i, batch] of batches.entries()) {
      if (i === 0) continue;
      if (!this.#isOver) await this.#warm(batch);
      for (const [j, count] of lanes.entries()) {
        if (this.#isOver) {
          this.#notes.push(`there was no time for runs of ${batches.slice(i).join(", ")} calls`);
          return batches.slice(0, i);
        }
        const left = (batches.length - i) * lanes.length * quotas.length - j;
        await this.#measure({ quota: 1, lanes: count, batch }, left);
      }
    }
    return batches;
  }

  /** What only the first run of a Program takes: pipelines, weights. */
  async #warm(batch: number): Promise<void> {
    this.#options.onProgress(batch === 1 ? "warming up" : `warming up runs of ${batch} calls`);
    await this.#bench.run(batch);
  }

  /** @param left cells that are to come, with this one. */
  async #measure(cell: Cell, left: number): Promise<Figures> {
    const { quota, lanes, batch } = cell;
    const { clock } = this.#bench;
    const leftMs = Math.max(0, this.#deadline - clock.now());
    const othersMs = this.#bench.watchOthers();
    const startMs = clock.now();
    const measured = await measureCell({
      ...{ quota, lanes, clock },
      run: () => this.#bench.run(batch),
      windowMs: quotaWindowMs,
      leastMs: Math.min(cellMs, Math.max(leastCellMs, leftMs / left)),
      leastRuns: Math.max(leastRuns, lanes),
      deadline: this.#deadline,
    });
    const tookMs = clock.now() - startMs;
    const figures = { ...measured, othersBusy: tookMs > 0 ? Math.min(1, othersMs() / tookMs) : 0 };
    this.#figures.set(keyOf(cell), figures);
    const calls = shortNumber(measured.runsPerSecond * batch);
    this.#options.onProgress(
      `${++this.#done}: ${percent(quota)} of time, ${lanes} side by side, batch ${batch}: ` +
        `${calls} calls a second, p98 ${shortNumber(measured.p98Ms)} ms`,
    );
    return figures;
  }

  /** By what it took with all of the time: warming up, and the least number of runs. */
  #hasTimeFor({ quota, lanes, batch }: Cell): boolean {
    const { runsPerSecond } = this.#figures.get(keyOf({ quota: 1, lanes, batch }))!;
    const runs = lanes + Math.max(leastRuns, lanes);
    return (1000 * runs) / (runsPerSecond * quota) <= this.#deadline - this.#bench.clock.now();
  }

  #pointOf(cell: Cell, mostLanes: number): MeasuredPoint {
    const { quota, lanes, batch } = cell;
    const measured = this.#figures.get(keyOf(cell));
    const whole = this.#figures.get(keyOf({ ...cell, quota: 1 }))!;
    const { runs, runsPerSecond, p50Ms, p98Ms, othersBusy } = measured ?? inferred(whole, quota);
    return {
      ...{ quota, share: lanes / mostLanes, batch, lanes, runs },
      throughput: rounded(runsPerSecond * batch),
      p50Ms: rounded(p50Ms),
      p98Ms: rounded(p98Ms),
      othersBusy: rounded(othersBusy),
    };
  }

  get #isOver(): boolean {
    return this.#bench.clock.now() >= this.#deadline;
  }
}

/** With a part of the time, as many calls are answered, and each waits as much longer. */
function inferred(whole: Figures, quota: number): Figures {
  const { runsPerSecond, p50Ms, p98Ms } = whole;
  return {
    ...whole,
    runs: 0,
    runsPerSecond: runsPerSecond * quota,
    p50Ms: p50Ms / quota,
    p98Ms: p98Ms / quota,
  };
}

/** More digits than these are noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}

function keyOf({ quota, lanes, batch }: Cell): string {
  return `${quota} ${lanes} ${batch}`;
}
