/**
 * Keeps the number of bind groups within bounds: hundreds of Programs in dozens of lanes would be millions. When there
 * are too many, the bound Programs used longest ago go; they are made again when they are needed.
 */

/** What is counted. */
export interface BoundGroups {
  readonly groupCount: number;
}

interface Entry {
  readonly drop: () => void;
  lastUse: number;
}

export class BindGroupCache {
  readonly #capacity: number;
  readonly #entries = new Map<BoundGroups, Entry>();
  #groups = 0;
  #uses = 0;

  /** @param capacity bind groups that may exist before some are dropped. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#groups;
  }

  /** @param drop called when it must go. */
  add(bound: BoundGroups, drop: () => void): void {
    this.#entries.set(bound, { drop, lastUse: ++this.#uses });
    this.#groups += bound.groupCount;
    if (this.#groups > this.#capacity) this.#shrink(bound);
  }

  use(bound: BoundGroups): void {
    const entry = this.#entries.get(bound);
    if (entry !== undefined) entry.lastUse = ++this.#uses;
  }

  remove(bound: BoundGroups): void {
    if (this.#entries.delete(bound)) this.#groups -= bound.groupCount;
  }

  /** Down to three quarters, so that it does not happen at every run. */
  #shrink(added: BoundGroups): void {
    const oldest = [...this.#entries].sort(([, a], [, b]) => a.lastUse - b.lastUse);
    for (const [bound, { drop }] of oldest) {
      if (this.#groups <= 0.75 * this.#capacity) return;
      if (bound === added) continue;
      drop();
      this.remove(bound);
    }
  }
}
