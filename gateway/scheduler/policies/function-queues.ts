/**
 * What waits, by function: the requests of each in the order of their arrival. For policies that choose a function first
 * and a request second. Knows nothing of devices but where a request may run.
 */
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { Request } from "../core/request.ts";
import { ArrivalQueue } from "./arrival-queue.ts";

export class FunctionQueues {
  /** Without empty ones, in the order in which the functions began to wait. */
  readonly #queues = new Map<FunctionState, ArrivalQueue>();

  /** Those with something waiting. */
  get functions(): Iterable<FunctionState> {
    return this.#queues.keys();
  }

  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  length(fn: FunctionState): number {
    return this.#queues.get(fn)?.size ?? 0;
  }

  push(request: Request): void {
    this.#queueOf(request.function).push(request);
  }

  /** One that has waited before: to its old place. */
  putBack(request: Request): void {
    this.#queueOf(request.function).putBack(request);
  }

  remove(request: Request): void {
    const queue = this.#queues.get(request.function);
    if (queue === undefined) return;
    queue.remove(request);
    if (queue.size === 0) this.#queues.delete(request.function);
  }

  first(fn: FunctionState): Request | undefined {
    return this.#queues.get(fn)?.first;
  }

  /** The first that may run there. */
  firstFor(fn: FunctionState, device: DeviceState): Request | undefined {
    if (!device.canHold(fn)) return undefined;
    for (const request of this.#queues.get(fn) ?? []) if (request.mayRunOn(device)) return request;
    return undefined;
  }

  of(fn: FunctionState): Iterable<Request> {
    return this.#queues.get(fn) ?? [];
  }

  #queueOf(fn: FunctionState): ArrivalQueue {
    let queue = this.#queues.get(fn);
    if (queue === undefined) {
      queue = new ArrivalQueue();
      this.#queues.set(fn, queue);
    }
    return queue;
  }
}
