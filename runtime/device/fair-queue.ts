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

export class FairQueue<K, T extends Waiting<K>> {
  /** Keys that have runs waiting, or places to pay for. */
  readonly #flows = new Map<K, Flow<T>>();
  #size = 0;
  /** Start of the place that was given last. */
  #virtualTime = 0;
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
    // Who was away has saved nothing up.
    if (flow.size === 0) flow.paidUntil = Math.max(flow.paidUntil, this.#virtualTime);
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
    const { flow, isUrgent } = choice;
    flow.remove(choice.item);
    if (isUrgent) this.#urgentCredit -= 1;
    else this.#virtualTime = flow.paidUntil;
    this.#urgentCredit = Math.min(maxUrgentCredit, this.#urgentCredit + urgentCreditPerPlace);
    flow.paidUntil += 1 / flow.share;
    this.#size--;
    this.#choice = undefined;
    if (this.#size === 0) this.#reset();
    else if (flow.size === 0 && this.#flows.size > maxIdleFlows) this.#forgetPaid();
  }

  /** Removes and returns all, in no order. */
  clear(): T[] {
    const all = [...this.#flows.values()].flatMap((flow) => flow.all());
    this.#size = 0;
    this.#choice = undefined;
    this.#reset();
    return all;
  }

  #choose(now: number): Choice<T> | undefined {
    let fair: Choice<T> | undefined;
    let urgent: Choice<T> | undefined;
    for (const flow of this.#flows.values()) {
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

  #reset(): void {
    this.#flows.clear();
    this.#virtualTime = 0;
    this.#urgentCredit = maxUrgentCredit;
  }

  #forgetPaid(): void {
    for (const [key, flow] of this.#flows)
      if (flow.size === 0 && flow.paidUntil <= this.#virtualTime) this.#flows.delete(key);
  }
}

/** Keys without runs that are remembered before it is looked whether they still have to pay. */
const maxIdleFlows = 256;

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
    const [hurried] = this.#hurried;
    const [other] = this.#others;
    if (hurried === undefined || other === undefined) return hurried ?? other;
    return compareTurns(other, hurried, now) < 0 ? other : hurried;
  }

  /** @param item the head of a moment ago. */
  remove(item: T): void {
    if (this.#others[0] === item) this.#others.shift();
    else this.#hurried.shift();
  }

  all(): T[] {
    return [...this.#hurried, ...this.#others];
  }
}
