/** Requests in the order of their arrival; any of them can be taken out at the cost of a look-up. */
import type { Request } from "../core/request.ts";

export class ArrivalQueue implements Iterable<Request> {
  /** In insertion order, which is that of arrival. */
  #requests = new Set<Request>();

  get size(): number {
    return this.#requests.size;
  }

  get first(): Request | undefined {
    for (const request of this.#requests) return request;
    return undefined;
  }

  push(request: Request): void {
    this.#requests.add(request);
  }

  /** One that has waited before: to its old place. */
  putBack(request: Request): void {
    this.#requests = new Set([...this.#requests, request].sort((a, b) => a.id - b.id));
  }

  remove(request: Request): boolean {
    return this.#requests.delete(request);
  }

  [Symbol.iterator](): Iterator<Request> {
    return this.#requests.values();
  }
}
