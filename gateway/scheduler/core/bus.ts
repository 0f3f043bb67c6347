/** The way from host memory to devices that share it: how many loads are on it, and how busy it has been of late. */

/** What was before counts half as much after so long. */
const halfLifeMs = 5_000;

export class Bus {
  /** Devices at it. */
  devices = 0;
  #loads = 0;
  #at = 0;
  #utilisation = 0;

  /** Weights that are coming in. */
  get loads(): number {
    return this.#loads;
  }

  began(now: number): void {
    this.#note(now);
    this.#loads++;
  }

  ended(now: number): void {
    this.#note(now);
    this.#loads--;
  }

  /** Part of the last seconds in which anything came in, 0 to 1. */
  utilisation(now: number): number {
    this.#note(now);
    return this.#utilisation;
  }

  #note(now: number): void {
    if (now <= this.#at) return;
    const old = 2 ** ((this.#at - now) / halfLifeMs);
    this.#utilisation = old * this.#utilisation + (this.#loads > 0 ? 1 - old : 0);
    this.#at = now;
  }
}
