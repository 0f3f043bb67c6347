/**
 * Jobs for a few places: of each owner one at a time, those that were served longest ago first, the jobs of each as they
 * came. So nobody waits for more than one job of each other owner, and where there are two places a single owner keeps
 * nobody waiting.
 */

/** Begins a job in a place. */
type Begin = (place: number) => void;

export class Turns {
  /** The first one first. */
  readonly #free: number[];
  readonly #running = new Set<string>();
  /** Jobs that wait, by owner, in the order of turns. */
  readonly #waiting = new Map<string, Begin[]>();

  constructor(places: number) {
    this.#free = Array.from({ length: places }, (_, place) => place);
  }

  /** Begins a job when its turn has come. @param job given its place, from 0 on. @returns what becomes of it. */
  async run<T>(owner: string, job: (place: number) => Promise<T>): Promise<T> {
    const place = await new Promise<number>((resolve) => {
      const jobs = this.#waiting.get(owner);
      if (jobs === undefined) this.#waiting.set(owner, [resolve]);
      else jobs.push(resolve);
      this.#advance();
    });
    try {
      return await job(place);
    } finally {
      this.#end(owner, place);
    }
  }

  #end(owner: string, place: number): void {
    this.#running.delete(owner);
    this.#free.push(place);
    this.#free.sort((a, b) => a - b);
    const jobs = this.#waiting.get(owner);
    if (jobs !== undefined) {
      this.#waiting.delete(owner);
      this.#waiting.set(owner, jobs);
    }
    this.#advance();
  }

  #advance(): void {
    for (const [owner, jobs] of this.#waiting) {
      if (this.#free.length === 0) return;
      if (this.#running.has(owner)) continue;
      const begin = jobs.shift()!;
      if (jobs.length === 0) this.#waiting.delete(owner);
      this.#running.add(owner);
      begin(this.#free.shift()!);
    }
  }
}
