/**
 * Requests in the order of their arrival; any of them can be taken out at the cost of a look-up. A linked list: a Set
 * keeps gaps where its first ones were taken out, over which each look at its beginning would go (100,000 waiting: ms).
 */
import type { Request } from "../core/request.ts";

interface Place {
  readonly request: Request;
  before: Place | undefined;
  /** Stays when the request has left, so that whoever stands there finds on. */
  after: Place | undefined;
}

export class ArrivalQueue implements Iterable<Request> {
  readonly #places = new Map<Request, Place>();
  #first: Place | undefined;
  #last: Place | undefined;

  get size(): number {
    return this.#places.size;
  }

  get first(): Request | undefined {
    return this.#first?.request;
  }

  push(request: Request): void {
    this.#insert(request, this.#last);
  }

  /** One that has waited before: to its old place. */
  putBack(request: Request): void {
    let before: Place | undefined;
    for (let at = this.#first; at !== undefined && at.request.id < request.id; at = at.after) before = at;
    this.#insert(request, before);
  }

  remove(request: Request): boolean {
    const place = this.#places.get(request);
    if (place === undefined) return false;
    this.#places.delete(request);
    const { before, after } = place;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    return true;
  }

  /** The one that was given last may be taken out, and no other, while this goes on. */
  *[Symbol.iterator](): Iterator<Request> {
    for (let at = this.#first; at !== undefined; at = at.after) yield at.request;
  }

  #insert(request: Request, before: Place | undefined): void {
    const after = before === undefined ? this.#first : before.after;
    const place: Place = { request, before, after };
    this.#places.set(request, place);
    if (before === undefined) this.#first = place;
    else before.after = place;
    if (after === undefined) this.#last = place;
    else after.before = place;
  }
}
