/**
 * The lanes of a device. Rounds use the first ones, each for its own time on the GPU only; a run in parts takes one away
 * from them, as its activations must stay until its last part. So a Program that runs now in rounds and now in parts
 * finds its memory and its bind groups again.
 */
import { Lane } from "./lane.ts";
import type { Ledger } from "./ledger.ts";

export class LanePool {
  readonly #ledger: Ledger;
  readonly #keepsLeftovers: boolean;
  readonly #free: Lane[] = [];
  /** And whether all memory was given back since. */
  readonly #taken = new Map<Lane, { isStale: boolean }>();
  #made = 0;

  constructor(ledger: Ledger, keepsLeftovers = false) {
    this.#ledger = ledger;
    this.#keepsLeftovers = keepsLeftovers;
  }

  /** Those that exist. */
  get size(): number {
    return this.#free.length + this.#taken.size;
  }

  /** One that a round uses; made where it is missing. */
  at(index: number): Lane {
    const lane = this.#free[index];
    if (lane !== undefined) return lane;
    const made = this.#make();
    this.#free.push(made);
    return made;
  }

  /**
   * One that is nobody else's until `give`, with slots of at least these sizes.
   * @throws DawnletError as `Lane.reserve`; no lane is taken then.
   */
  take(slotBytes: readonly number[]): Lane {
    const fitting = this.#free.findIndex((lane) => lane.holds(slotBytes));
    const [lane] = this.#free.splice(fitting >= 0 ? fitting : this.#free.length - 1, 1);
    const taken = lane ?? this.#make();
    this.#taken.set(taken, { isStale: false });
    try {
      taken.reserve(slotBytes);
      return taken;
    } catch (error) {
      taken.clear();
      this.give(taken);
      throw error;
    }
  }

  give(lane: Lane): void {
    if (this.#taken.get(lane)?.isStale === true) lane.clear();
    this.#taken.delete(lane);
    this.#free.unshift(lane);
  }

  /** Gives the memory of all lanes that nobody has taken back, but of the first. */
  shrink(): void {
    for (const lane of this.#free.slice(1)) lane.clear();
  }

  /** Gives the memory of all lanes back; of those that are taken when they are given. */
  clear(): void {
    for (const lane of this.#free) lane.clear();
    for (const taken of this.#taken.values()) taken.isStale = true;
  }

  #make(): Lane {
    return new Lane(this.#made++, this.#ledger, this.#keepsLeftovers);
  }
}
