/**
 * What waits in a queue of limited length, by tenant: where it is full, each tenant has a share of the places by its weight,
 * among those that have anything waiting. Who has fewer than its share takes the place of the newest that waits for whoever
 * is furthest above its own, so that one tenant's flood refuses itself. It refuses nothing; it says who would be.
 */

/** For whom something waits. */
export interface Party {
  readonly tenant: string;
  /** Left out: 1. */
  readonly weight?: number | undefined;
}

interface Place<T> {
  readonly item: T;
  readonly line: Line<T>;
  older: Place<T> | undefined;
  newer: Place<T> | undefined;
}

/** What waits for one tenant, linked, as it leaves from anywhere. */
interface Line<T> {
  readonly tenant: string;
  weight: number;
  size: number;
  oldest: Place<T> | undefined;
  newest: Place<T> | undefined;
}

export class WaitingShares<T> {
  /** Of those that have anything waiting. */
  readonly #lines = new Map<string, Line<T>>();
  readonly #places = new Map<T, Place<T>>();

  get size(): number {
    return this.#places.size;
  }

  add(item: T, party: Party): void {
    const line = this.#lineOf(party);
    const place = this.#place(item, line);
    place.older = line.newest;
    if (line.newest === undefined) line.oldest = place;
    else line.newest.newer = place;
    line.newest = place;
  }

  /** Waits again, after its turn had come: it makes way last of its tenant's. */
  addAgain(item: T, party: Party): void {
    const line = this.#lineOf(party);
    const place = this.#place(item, line);
    place.newer = line.oldest;
    if (line.oldest === undefined) line.newest = place;
    else line.oldest.older = place;
    line.oldest = place;
  }

  /** Does nothing where it does not wait. */
  remove(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#places.delete(item);
    const { line, older, newer } = place;
    if (older === undefined) line.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) line.newest = older;
    else newer.older = older;
    if (--line.size === 0) this.#lines.delete(line.tenant);
  }

  /**
   * What makes way for one more of a tenant, where the queue is full.
   * @param limit how many may wait.
   * @returns undefined where that tenant has its share already: it is refused itself.
   */
  displacedBy({ tenant, weight = 1 }: Party, limit: number): T | undefined {
    const own = this.#lines.get(tenant);
    // Added up each time: sums that are kept up to date drift, and there are few tenants.
    let weights = own === undefined ? weight : 0;
    let most: Line<T> | undefined;
    for (const line of this.#lines.values()) {
      weights += line.weight;
      if (most === undefined || line.size / line.weight > most.size / most.weight) most = line;
    }
    const share = (limit * (own?.weight ?? weight)) / weights;
    return (own?.size ?? 0) < share && most !== own ? most?.newest?.item : undefined;
  }

  #lineOf({ tenant, weight = 1 }: Party): Line<T> {
    let line = this.#lines.get(tenant);
    if (line === undefined) {
      line = { tenant, weight, size: 0, oldest: undefined, newest: undefined };
      this.#lines.set(tenant, line);
    }
    line.weight = weight;
    return line;
  }

  #place(item: T, line: Line<T>): Place<T> {
    if (this.#places.has(item)) throw new RangeError("It waits already");
    const place: Place<T> = { item, line, older: undefined, newer: undefined };
    this.#places.set(item, place);
    line.size++;
    return place;
  }
}
