/** What is to happen when, soonest first; at the same time in the order in which it was put in. */

export class EventQueue<T> {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #values: T[] = [];
  #pushed = 0;

  get size(): number {
    return this.#values.length;
  }

  /** Infinity where there is nothing. */
  get nextAt(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  push(at: number, value: T): void {
    const order = this.#pushed++;
    let i = this.#values.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#isBefore(at, order, parent)) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#put(i, at, order, value);
  }

  /** @returns undefined where there is nothing. */
  pop(): T | undefined {
    const first = this.#values[0];
    const at = this.#times.pop();
    const order = this.#orders.pop();
    const value = this.#values.pop();
    const size = this.#values.length;
    if (at === undefined || order === undefined || value === undefined || size === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(this.#times[child + 1]!, this.#orders[child + 1]!, child))
        child++;
      if (this.#isBefore(at, order, child)) break;
      this.#move(child, i);
      i = child;
    }
    this.#put(i, at, order, value);
    return first;
  }

  #isBefore(at: number, order: number, other: number): boolean {
    const otherAt = this.#times[other]!;
    return at < otherAt || (at === otherAt && order < this.#orders[other]!);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#values[from]!);
  }

  #put(i: number, at: number, order: number, value: T): void {
    this.#times[i] = at;
    this.#orders[i] = order;
    this.#values[i] = value;
  }
}
