/** Jobs that go one at a time: owners in turns, the jobs of each as they came. So nobody waits for more than one of each other owner's. */

export class Turns {
  /** Jobs that wait, by owner, in the order of turns. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #isBusy = false;

  /** Begins a job when its turn has come. @returns what becomes of it. */
  async run<T>(owner: string, job: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#wait(owner, resolve));
    this.#isBusy = true;
    try {
      return await job();
    } finally {
      this.#next();
    }
  }

  #wait(owner: string, begin: () => void): void {
    const jobs = this.#waiting.get(owner);
    if (jobs === undefined) this.#waiting.set(owner, [begin]);
    else jobs.push(begin);
  }

  /** Stays busy where another job begins, so that none that comes meanwhile gets ahead of it. */
  #next(): void {
    const [first] = this.#waiting;
    this.#isBusy = first !== undefined;
    if (first === undefined) return;
    const [owner, [begin, ...others]] = first;
    this.#waiting.delete(owner);
    if (others.length > 0) this.#waiting.set(owner, others);
    begin!();
  }
}
