/**
 * Runs that take longer than a slice of the GPU's time: cut at their steps into parts of about a slice, which are
 * submitted one after the other, so that rounds of other runs go in between. Each has a lane of its own meanwhile.
 * Several of them take turns part by part; whose turn it is says run-order.ts, how a part is made parted-run.ts.
 */
import { FairQueue } from "./fair-queue.ts";
import type { LanePool } from "./lane-pool.ts";
import type { LoadedProgram } from "./loaded-program.ts";
import { PartedRun } from "./parted-run.ts";
import type { PendingRun } from "./pending-run.ts";
import { dueAt, isPressing } from "./run-order.ts";
import { worthCutting } from "./slices.ts";
import type { Submissions } from "./submissions.ts";

/** Parts submitted and not done: the GPU does not idle between two of them. */
const maxPartsAhead = 2;
/** The same where rounds keep it busy: what comes then waits for one part less. */
const maxPartsBesideRounds = 1;
/** Runs that go in parts at a time, each with its activations; of those without hurry one less. */
const maxGoing = 4;
/** Parts of others, one in a hurry among them, that a run waits for at most between two of its own, times those going. */
const maxTurnsBetween = 4;

export interface CutRunsOptions {
  readonly device: GPUDevice;
  readonly submissions: Submissions;
  readonly lanes: LanePool;
  readonly sliceMs: number;
  /** Rounds are on the GPU, or wait for it. */
  readonly hasRounds: () => boolean;
  /** Takes a run that turned out to be short, or that has no room for a lane of its own. */
  readonly enqueue: (run: PendingRun) => void;
}

interface Going {
  readonly parted: PartedRun;
  readonly answer: PromiseWithResolvers<void>;
  /** Parts on the GPU. */
  ahead: number;
  /** Counts up: the smaller, the longer ago it had a part. */
  lastTurn: number;
}

export class CutRuns {
  readonly #options: CutRunsOptions;
  readonly #waiting = new FairQueue<LoadedProgram, PendingRun>();
  readonly #going = new Set<Going>();
  #partsAhead = 0;
  #turns = 0;

  constructor(options: CutRunsOptions) {
    this.#options = options;
  }

  /** Runs that wait, or are not answered. */
  get size(): number {
    return this.#waiting.size + this.#going.size;
  }

  /** It is worth cutting: it takes longer than a slice, and can be cut. */
  isLong({ cost }: LoadedProgram): boolean {
    return cost.isDivisible && (cost.aloneMs ?? 0) > worthCutting * this.#options.sliceMs;
  }

  add(run: PendingRun): void {
    this.#waiting.push(run);
    this.advance();
  }

  /** Takes over a run that has a lane, and all of whose weights are there. @returns when it has its answer. It rejects where it is to fail. */
  finish(parted: PartedRun): Promise<void> {
    const { promise } = this.#begin(parted).answer;
    this.advance();
    return promise;
  }

  /** Submits what may go. To be called when work on the GPU has ended. */
  advance(): void {
    while (this.#partsAhead < this.#mostAhead) {
      this.#admit();
      const next = this.#next();
      if (next === undefined) return;
      this.#submit(next);
    }
  }

  rejectAll(error: unknown): void {
    for (const run of this.#waiting.clear()) run.reject(error);
    for (const { parted } of this.#going) parted.run.reject(error);
  }

  get #mostAhead(): number {
    return this.#options.hasRounds() ? maxPartsBesideRounds : maxPartsAhead;
  }

  /** Gives lanes to those whose turn it is to begin. */
  #admit(): void {
    const { device, submissions, lanes, enqueue } = this.#options;
    for (;;) {
      const now = performance.now();
      const run = this.#waiting.peek(now);
      if (run === undefined) return;
      if (this.#going.size >= (isPressing(run, now) ? maxGoing : maxGoing - 1)) return;
      if (!this.isLong(run.program)) {
        this.#waiting.take();
        enqueue(run);
        continue;
      }
      try {
        this.#answer(run, this.#begin(new PartedRun({ device, submissions, run, lanes })));
        this.#waiting.take();
      } catch {
        // No room beside the others: it waits for one of them. Without others a round makes all the room there is, or fails.
        if (this.#going.size > 0) return;
        this.#waiting.take();
        enqueue(run);
      }
    }
  }

  #begin(parted: PartedRun): Going {
    const going = { parted, answer: Promise.withResolvers<void>(), ahead: 0, lastTurn: this.#turns };
    this.#going.add(going);
    return going;
  }

  #answer(run: PendingRun, { parted, answer }: Going): void {
    const { submissions } = this.#options;
    answer.promise
      .catch((error: unknown) => run.reject(submissions.lost ?? error))
      .finally(() => parted[Symbol.dispose]());
  }

  #next(): Going | undefined {
    let first: Going | undefined;
    for (const going of this.#going) {
      if (!isUnfinished(going)) continue;
      if (first === undefined || this.#goesBefore(going, first)) first = going;
    }
    return first;
  }

  /** By hurry, otherwise in turns; but nobody waits for more than some turns of others. */
  #goesBefore(a: Going, b: Going): boolean {
    const wait = (going: Going) => Math.max(0, this.#turns - going.lastTurn - maxTurnsBetween);
    const byWait = wait(b) - wait(a);
    if (byWait !== 0) return byWait < 0;
    const [runA, runB] = [a.parted.run, b.parted.run];
    if (runA.urgencyMs === undefined && runB.urgencyMs === undefined) return a.lastTurn < b.lastTurn;
    if (runA.urgencyMs === undefined || runB.urgencyMs === undefined) return runA.urgencyMs !== undefined;
    return dueAt(runA) < dueAt(runB);
  }

  #submit(going: Going): void {
    const { submissions, sliceMs } = this.#options;
    const { parted, answer } = going;
    const { program } = parted.run;
    const limit = this.isLong(program) ? { sliceMs, costMs: program.cost.steps.ms } : {};
    let part: Promise<void>;
    try {
      part = parted.submit({ written: program.written, ...limit });
    } catch (error) {
      this.#going.delete(going);
      answer.reject(error);
      return;
    }
    const isLast = parted.needs === undefined;
    going.ahead++;
    going.lastTurn = ++this.#turns;
    this.#partsAhead++;
    submissions.begin();
    part
      .then(
        () => {
          if (isLast) answer.resolve();
        },
        (error: unknown) => {
          this.#going.delete(going);
          answer.reject(error);
        },
      )
      .finally(() => {
        going.ahead--;
        this.#partsAhead--;
        if (isLast || parted.run.isSettled) this.#end(going);
        submissions.end();
      });
  }

  #end(going: Going): void {
    if (going.ahead > 0) return;
    this.#going.delete(going);
    // One that was rejected meanwhile goes no further.
    going.answer.resolve();
  }
}

function isUnfinished({ parted }: Going): boolean {
  return parted.needs !== undefined && !parted.run.isSettled;
}
