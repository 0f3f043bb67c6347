/**
 * Flows of start-time fair queueing over several servers (MQFQ: Hedayati et al., USENIX ATC'19), one a function: virtual
 * times in milliseconds of runs, who is too far ahead, and who is still active though nothing waits.
 */
import type { FunctionState } from "../core/function-state.ts";
import type { Request } from "../core/request.ts";
import type { FunctionQueues } from "./function-queues.ts";
import { InterArrivals } from "./inter-arrivals.ts";

/** A flow stays active for so many times the time between its requests. */
const timeToLiveFactor = 2;
/** Until that is known. */
const defaultTimeToLiveMs = 2_000;

interface Flow {
  /** Virtual, of its last request. */
  finish: number;
  /** Real. */
  servedAtMs: number;
  readonly interArrivals: InterArrivals;
}

export class Flows {
  readonly #queues: FunctionQueues;
  readonly #allowedAheadMs: number;
  readonly #flows = new WeakMap<FunctionState, Flow>();
  readonly #starts = new WeakMap<Request, number>();
  /** Of the slowest flow with something waiting; it does not go back. */
  #virtualTime = 0;

  constructor(queues: FunctionQueues, allowedAheadMs: number) {
    this.#queues = queues;
    this.#allowedAheadMs = allowedAheadMs;
  }

  /** @param runMs that its run is expected to take. */
  arrived(request: Request, runMs: number, nowMs: number): void {
    const flow = this.#flowOf(request.function);
    const start = Math.max(this.#virtualTime, flow.finish);
    this.#starts.set(request, start);
    flow.finish = start + runMs;
    flow.interArrivals.arrived(nowMs);
  }

  /** One of its requests began or ended. */
  served(fn: FunctionState, nowMs: number): void {
    this.#flowOf(fn).servedAtMs = nowMs;
  }

  /** Time goes as far as the slowest flow that waits has come. */
  advance(): void {
    let slowest = Number.POSITIVE_INFINITY;
    for (const fn of this.#queues.functions) slowest = Math.min(slowest, this.start(fn));
    if (slowest !== Number.POSITIVE_INFINITY) this.#virtualTime = Math.max(this.#virtualTime, slowest);
  }

  /** Virtual, of what waits first. */
  start(fn: FunctionState): number {
    const request = this.#queues.first(fn);
    return request === undefined ? this.#flowOf(fn).finish : this.#starts.get(request)!;
  }

  isThrottled(fn: FunctionState): boolean {
    return this.start(fn) - this.#virtualTime > this.#allowedAheadMs;
  }

  /** @param fn undefined where it was removed. */
  isActive(fn: FunctionState | undefined, nowMs: number): boolean {
    if (fn === undefined || this.isThrottled(fn)) return false;
    if (fn.waiting + fn.running > 0) return true;
    const { servedAtMs, interArrivals } = this.#flowOf(fn);
    const median = interArrivals.quantile(0.5);
    return nowMs - servedAtMs <= (median === undefined ? defaultTimeToLiveMs : timeToLiveFactor * median);
  }

  #flowOf(fn: FunctionState): Flow {
    let flow = this.#flows.get(fn);
    if (flow === undefined) {
      flow = { finish: 0, servedAtMs: Number.NEGATIVE_INFINITY, interArrivals: new InterArrivals() };
      this.#flows.set(fn, flow);
    }
    return flow;
  }
}
