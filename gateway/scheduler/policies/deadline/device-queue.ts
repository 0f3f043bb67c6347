/**
 * What waits for one device, by function: each flow in the order in which its requests are due. Flows know how much work
 * they are; which goes next is not decided here.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";
import type { Request } from "../../core/request.ts";
import { dueAt, isHopeless } from "./due.ts";
import { givenBeforeMs } from "./places.ts";

/** Requests of one function that wait for one device. */
export class Flow {
  readonly function: FunctionState;
  readonly queue: DeviceQueue;
  /** Those due first first, as of when they came, or turned out to be hopeless. */
  readonly requests: Request[] = [];
  readonly #dues = new Map<Request, number>();
  /** Behind those that can be in time: the flow does not wait for them. */
  readonly #hopeless = new Set<Request>();
  /** Of all of them. */
  rows = 0;

  constructor(fn: FunctionState, queue: DeviceQueue) {
    this.function = fn;
    this.queue = queue;
  }

  get head(): Request {
    return this.requests[0]!;
  }

  dueAt(now: number): number {
    const { device } = this.queue;
    for (;;) {
      const { head } = this;
      const due = dueAt(head, device, now);
      if (this.#hopeless.has(head) || !isHopeless(head, device, now)) return due;
      // Once for each request, so that this comes to an end.
      this.#hopeless.add(head);
      this.requests.shift();
      this.#insert(head, due);
    }
  }

  add(request: Request, now: number): void {
    this.#insert(request, dueAt(request, this.queue.device, now));
    this.rows += request.rows;
  }

  remove(request: Request): void {
    this.requests.splice(this.requests.indexOf(request), 1);
    this.#dues.delete(request);
    this.#hopeless.delete(request);
    this.rows -= request.rows;
  }

  /** Expected, of their runs: in full batches where they go together, as far as that pays. */
  get runMs(): number {
    const { function: fn, rows } = this;
    const { device } = this.queue;
    const { length } = this.requests;
    const aloneMs = length * device.runMs(fn, Math.ceil(rows / length));
    if (length === 1 || fn.batchLimit === 1 || this.head.batchKey === undefined) return aloneMs;
    const rest = rows % fn.batchLimit;
    const fullMs = Math.floor(rows / fn.batchLimit) * device.runMs(fn, fn.batchLimit);
    return Math.min(aloneMs, fullMs + (rest === 0 ? 0 : device.runMs(fn, rest)));
  }

  /** By how much they hold up others: side by side, a run takes a part of the device. */
  get workMs(): number {
    return this.runMs * this.function.occupancy;
  }

  #insert(request: Request, due: number): void {
    this.#dues.set(request, due);
    let at = this.requests.length;
    while (at > 0 && this.#isBefore(request, this.requests[at - 1]!)) at--;
    this.requests.splice(at, 0, request);
  }

  #isBefore(a: Request, b: Request): boolean {
    const [aDue, bDue] = [this.#dues.get(a)!, this.#dues.get(b)!];
    return aDue < bDue || (aDue === bDue && a.id < b.id);
  }
}

export class DeviceQueue {
  readonly device: DeviceState;
  readonly flows = new Map<FunctionState, Flow>();
  size = 0;

  constructor(device: DeviceState) {
    this.device = device;
  }

  add(request: Request, now: number): Flow {
    const { function: fn } = request;
    let flow = this.flows.get(fn);
    if (flow === undefined) {
      flow = new Flow(fn, this);
      this.flows.set(fn, flow);
    }
    flow.add(request, now);
    this.size++;
    return flow;
  }

  remove(flow: Flow, request: Request): void {
    flow.remove(request);
    if (flow.requests.length === 0) this.flows.delete(flow.function);
    this.size--;
  }

  /** Milliseconds before a request that comes now could begin, those due later not counted. */
  waitMs(now: number, request: Request): number {
    const due = dueAt(request, this.device, now);
    let waitMs = givenBeforeMs(request, due, this.device, now);
    if (this.size === 0) return waitMs;
    for (const flow of this.flows.values()) if (flow.dueAt(now) <= due) waitMs += flow.workMs;
    return waitMs;
  }

  /** Expected, of all that waits here. */
  get workMs(): number {
    let workMs = 0;
    for (const flow of this.flows.values()) workMs += flow.workMs;
    return workMs;
  }

  /** Milliseconds of loads that are to begin before one that comes now. */
  get loadWaitMs(): number {
    let waitMs = 0;
    for (const { function: fn } of this.flows.values())
      if (!this.device.holds(fn)) waitMs += this.device.aloneLoadMs(fn);
    return waitMs;
  }
}
