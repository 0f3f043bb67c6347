/**
 * The runs that wait, and whose turn it is. Pure bookkeeping; the clock is the caller's.
 *
 * Places go to the keys (Programs) by weighted round robin: the one goes next that has had least for its share (start-time
 * fair queuing, Goyal, Vin and Cheng 1996). Of two keys that wait all the while, the places each has had, divided by its
 * share, differ by at most 1 / share of the one plus 1 / share of the other, urgency aside. Within a key the order is
 * that of run-order.ts. What is pressing goes before shares, but at every second place at most; its key pays for that
 * place like for any other.
 */
import { compareTurns, dueAt, isPressing, type Turn } from "./run-order.ts";

export interface Waiting<K> extends Turn {
  /** Whose places it takes. */
  readonly key: K;
  /** Weight of its key, a positive number. Where runs of a key differ, the one that came last decides. */
  readonly share: number;
}

/** Places by which urgency may be ahead of its part. */
const maxUrgentCredit = 1;
const urgentCreditPerPlace = 0.5;

export class FairQueue<K extends WeakKey, T extends Waiting<K>> {
  readonly #flows = new WeakMap<K, Flow<T>>();
  /** Those that have runs waiting. */
  readonly #active = new Set<Flow<T>>();
  #size = 0;
  /** Where the place began that was given last in turn. */
  #virtualTime = 0;
  /** Up to where the key has paid that has paid most. */
  #latest = 0;
  #urgentCredit = maxUrgentCredit;
  #choice: Choice<T> | undefined;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    let flow = this.#flows.get(item.key);
    if (flow === undefined) {
      flow = new Flow<T>();
      this.#flows.set(item.key, flow);
    }
    if (flow.size === 0) {
      // Who was away has saved nothing up.
      flow.paidUntil = Math.max(flow.paidUntil, this.#virtualTime);
      this.#active.add(flow);
    }
    flow.share = item.share;
    flow.push(item);
    this.#size++;
    this.#choice = undefined;
  }

  /** Whose turn it is; undefined where nothing waits. */
  peek(now: number): T | undefined {
    this.#choice = this.#choose(now);
    return this.#choice?.item;
  }

  /** Removes what `peek` gave. */
  take(): void {
    const choice = this.#choice;
    if (choice === undefined) throw new RangeError("Nothing was chosen to be taken");
    const { flow, item, isUrgent } = choice;
    flow.remove(item);
    if (isUrgent) this.#urgentCredit -= 1;
    else this.#virtualTime = flow.paidUntil;
    this.#urgentCredit = Math.min(maxUrgentCredit, this.#urgentCredit + urgentCreditPerPlace);
    flow.paidUntil += 1 / flow.share;
    this.#latest = Math.max(this.#latest, flow.paidUntil);
    this.#size--;
    this.#choice = undefined;
    if (flow.size === 0) this.#active.delete(flow);
    if (this.#size === 0) this.#forgive();
  }

  /** Removes and returns all, in no order. */
  clear(): T[] {
    const all = [...this.#active].flatMap((flow) => flow.clear());
    this.#active.clear();
    this.#size = 0;
    this.#choice = undefined;
    this.#forgive();
    return all;
  }

  #choose(now: number): Choice<T> | undefined {
    let fair: Choice<T> | undefined;
    let urgent: Choice<T> | undefined;
    for (const flow of this.#active) {
      const item = flow.head(now);
      if (item === undefined) continue;
      if (isPressing(item, now) && (urgent === undefined || compareTurns(item, urgent.item, now) < 0))
        urgent = { flow, item, isUrgent: true };
      const lead = fair === undefined ? -1 : flow.paidUntil - fair.flow.paidUntil;
      if (fair === undefined || lead < 0 || (lead === 0 && compareTurns(item, fair.item, now) < 0))
        fair = { flow, item, isUrgent: false };
    }
    return urgent !== undefined && urgent.flow !== fair?.flow && this.#urgentCredit >= 1 ? urgent : fair;
  }

  /** When nothing waits nobody owes anybody anything. */
  #forgive(): void {
    this.#virtualTime = this.#latest;
    this.#urgentCredit = maxUrgentCredit;
  }
}

interface Choice<T extends Turn> {
  readonly flow: Flow<T>;
  readonly item: T;
  readonly isUrgent: boolean;
}

/** The runs of one key. */
class Flow<T extends Turn> {
  /** Where its next place begins, in places for a share of 1. */
  paidUntil = 0;
  share = 1;
  /** By `dueAt`. */
  readonly #hurried: T[] = [];
  /** As they came. */
  readonly #others: T[] = [];

  get size(): number {
    return this.#hurried.length + this.#others.length;
  }

  push(item: T): void {
    if (item.urgencyMs === undefined) {
      this.#others.push(item);
      return;
    }
    let at = this.#hurried.length;
    while (at > 0 && dueAt(this.#hurried[at - 1]!) > dueAt(item)) at--;
    this.#hurried.splice(at, 0, item);
  }

  head(now: number): T | undefined {
    const hurried = this.#hurried[0];
    const other = this.#others[0];
    if (hurried === undefined || other === undefined) return hurried ?? other;
    return compareTurns(other, hurried, now) < 0 ? other : hurried;
  }

  /** @param item the head of a moment ago. */
  remove(item: T): void {
    if (this.#others[0] === item) this.#others.shift();
    else this.#hurried.shift();
  }

  clear(): T[] {
    return [...this.#hurried.splice(0), ...this.#others.splice(0)];
  }
}
