/** What became of the requests of a simulation, and the figures that tables are made of. */
import type { SchedulerAction } from "../../gateway/scheduler/core/actions.ts";
import type { SimulatedFunction } from "./cluster-model.ts";
import type { DeviceModel } from "./device-model.ts";

interface AnswerSpan {
  answers: number;
  firstAt: number;
  lastAt: number;
}

export class Outcomes {
  readonly functions: readonly SimulatedFunction[];
  evictions = 0;
  /** Requests whose weights had to be brought in, and those of them whose weights another device had. */
  misses = 0;
  falseMisses = 0;
  runs = 0;
  rejections = 0;
  durationMs = 0;
  loadedBytes = 0;
  /** Of the devices' time: in which anything ran, and what was filled. */
  utilisation = 0;
  occupancy = 0;
  /** Of real time, of the scheduler. */
  decisionMs = 0;
  /** Answers that came from then on, of requests whenever they came. */
  answers = 0;
  readonly #countedFromMs: number;
  readonly #decisionsMs: number[] = [];
  readonly #arrivedAt: number[] = [];
  /** Indices. */
  readonly #function: number[] = [];
  /** By function, of the answers that count. */
  readonly #answerSpans: AnswerSpan[];
  /** NaN for those without an answer. */
  readonly #latencyMs: number[] = [];

  /** @param countedFromMs what came before is left out of latencies and misses. */
  constructor(functions: readonly SimulatedFunction[], countedFromMs = 0) {
    this.functions = functions;
    this.#countedFromMs = countedFromMs;
    this.#answerSpans = functions.map(() => ({ answers: 0, firstAt: Number.NaN, lastAt: Number.NaN }));
  }

  /** All, whenever they came. */
  get requests(): number {
    return this.#arrivedAt.length;
  }

  /** Of requests that were counted. */
  get missRatio(): number {
    return this.misses / this.#counted;
  }

  get falseMissRatio(): number {
    return this.falseMisses / this.#counted;
  }

  /**
   * Answers a second to clients that each have a function and send their next request when they have an answer. Of one that
   * was answered all the time from its first counted answer to its last, so that it does not matter where in its round
   * counting began and ended.
   */
  get closedLoopRate(): number {
    const countedMs = this.durationMs - this.#countedFromMs;
    let rate = 0;
    for (const { answers, firstAt, lastAt } of this.#answerSpans) {
      const steadyRate = ((answers - 1) * 1_000) / (lastAt - firstAt);
      const isSteady = answers > 1 && steadyRate <= ((answers + 1) * 1_000) / countedMs;
      rate += isSteady ? steadyRate : (answers * 1_000) / countedMs;
    }
    return rate;
  }

  /** Mean of the scheduler's steps, microseconds; NaN where the simulation had no clock. */
  get decisionMicros(): number {
    return (this.decisionMs * 1_000) / this.#decisionsMs.length;
  }

  /** @param p 0 to 1. */
  decisionMicrosAt(p: number): number {
    return quantileOf(Float64Array.from(this.#decisionsMs).sort(), p) * 1_000;
  }

  /** Milliseconds, ascending, of counted requests with an answer that came from then on and before then. */
  latencies(fromMs = 0, beforeMs = Number.POSITIVE_INFINITY): Float64Array {
    const chosen: number[] = [];
    for (let id = this.#firstCounted; id < this.requests; id++) {
      const [at, ms] = [this.#arrivedAt[id]!, this.#latencyMs[id]!];
      if (!Number.isNaN(ms) && at >= fromMs && at < beforeMs) chosen.push(ms);
    }
    return Float64Array.from(chosen).sort();
  }

  /** By function; requests without an answer count as infinitely late. */
  latenciesByFunction(): readonly Float64Array[] {
    const lists: number[][] = this.functions.map(() => []);
    for (let id = this.#firstCounted; id < this.requests; id++) {
      const ms = this.#latencyMs[id]!;
      lists[this.#function[id]!]!.push(Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms);
    }
    return lists.map((list) => Float64Array.from(list).sort());
  }

  functionOf(id: number): SimulatedFunction {
    return this.functions[this.#function[id]!]!;
  }

  arrived(id: number, fn: number, now: number): void {
    this.#arrivedAt[id] = now;
    this.#function[id] = fn;
    this.#latencyMs[id] = Number.NaN;
  }

  /** Counts a run. @param isElsewhere where another device has the weights. */
  started(
    { isCold, requests }: Extract<SchedulerAction, { readonly type: "run" }>,
    isElsewhere: boolean,
  ): void {
    this.runs++;
    if (!isCold) return;
    for (const id of requests) {
      if (!this.#isCounted(id)) continue;
      this.misses++;
      if (isElsewhere) this.falseMisses++;
    }
  }

  /** @param hostMs before and after the device. */
  answered(id: number, now: number, hostMs: number): void {
    if (now >= this.#countedFromMs) this.#count(this.#answerSpans[this.#function[id]!]!, now);
    this.#latencyMs[id] = now - this.#arrivedAt[id]! + hostMs;
  }

  rejected(): void {
    this.rejections++;
  }

  /** A step of the scheduler. */
  decided(ms: number): void {
    this.#decisionsMs.push(ms);
    this.decisionMs += ms;
  }

  finish(now: number, devices: readonly DeviceModel[]): void {
    this.durationMs = now;
    for (const { compute, loadedBytes } of devices) {
      this.utilisation += compute.busyMs / now / devices.length;
      this.occupancy += compute.filledMs / now / devices.length;
      this.loadedBytes += loadedBytes;
    }
  }

  /** Requests are numbered in the order of their arrival. */
  get #firstCounted(): number {
    let id = 0;
    while (id < this.requests && !this.#isCounted(id)) id++;
    return id;
  }

  get #counted(): number {
    return this.requests - this.#firstCounted;
  }

  #count(span: AnswerSpan, now: number): void {
    this.answers++;
    if (span.answers++ === 0) span.firstAt = now;
    span.lastAt = now;
  }

  #isCounted(id: number): boolean {
    return this.#arrivedAt[id]! >= this.#countedFromMs;
  }
}

/** @param sorted ascending. @param p 0 to 1: the smallest value that so many are not above. */
export function quantileOf(sorted: Float64Array, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}
