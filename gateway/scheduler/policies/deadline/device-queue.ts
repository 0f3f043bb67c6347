/**
 * What waits for one device, by function: each flow in the order in which its requests are due. Flows know how much work
 * they are; which goes next is not decided here.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";
import type { Request } from "../../core/request.ts";
import { dueAt } from "./due.ts";

/** Requests of one function that wait for one device. */
export class Flow {
  readonly function: FunctionState;
  readonly queue: DeviceQueue;
  /** Those with the earliest deadline first, then those that have none; else as they came. */
  readonly requests: Request[] = [];

  constructor(fn: FunctionState, queue: DeviceQueue) {
    this.function = fn;
    this.queue = queue;
  }

  get head(): Request {
    return this.requests[0]!;
  }

  dueAt(now: number): number {
    return dueAt(this.head, this.queue.device, now);
  }

  add(request: Request): void {
    let at = this.requests.length;
    while (at > 0 && isBefore(request, this.requests[at - 1]!)) at--;
    this.requests.splice(at, 0, request);
  }

  remove(request: Request): void {
    this.requests.splice(this.requests.indexOf(request), 1);
  }
}

function isBefore(a: Request, b: Request): boolean {
  const [aDue, bDue] = [a.deadline ?? Number.POSITIVE_INFINITY, b.deadline ?? Number.POSITIVE_INFINITY];
  return aDue < bDue || (aDue === bDue && a.id < b.id);
}

export class DeviceQueue {
  readonly device: DeviceState;
  readonly flows = new Map<FunctionState, Flow>();
  /** Expected, of the runs of all that waits here. */
  runMs = 0;
  size = 0;

  constructor(device: DeviceState) {
    this.device = device;
  }

  add(request: Request): Flow {
    const { function: fn } = request;
    let flow = this.flows.get(fn);
    if (flow === undefined) {
      flow = new Flow(fn, this);
      this.flows.set(fn, flow);
    }
    flow.add(request);
    this.size++;
    this.runMs += this.device.runMs(fn, request.rows);
    return flow;
  }

  remove(flow: Flow, request: Request): void {
    flow.remove(request);
    if (flow.requests.length === 0) this.flows.delete(flow.function);
    this.size--;
    // Estimates move while requests wait: what is left is nothing when nobody waits.
    this.runMs =
      this.size === 0 ? 0 : Math.max(0, this.runMs - this.device.runMs(flow.function, request.rows));
  }

  /** Milliseconds before a request that comes now could begin, those due later not counted. */
  waitMs(now: number, due: number): number {
    let waitMs = this.device.backlogMs(now);
    if (this.size === 0) return waitMs;
    for (const flow of this.flows.values()) {
      if (flow.dueAt(now) > due) continue;
      const { length } = flow.requests;
      waitMs += length * this.device.runMs(flow.function, 1) * flow.function.occupancy;
    }
    return waitMs;
  }

  /** Milliseconds of loads that are to begin before one that comes now. */
  get loadWaitMs(): number {
    let waitMs = 0;
    for (const { function: fn } of this.flows.values())
      if (!this.device.holds(fn)) waitMs += this.device.aloneLoadMs(fn);
    return waitMs;
  }
}
