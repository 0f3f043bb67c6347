/**
 * The way of several devices to host memory, which all that load at a time share equally: how many do, how busy it has
 * been of late, how many loads it had, and for how long a load has had it for itself, so to speak (one that shares it for
 * 8 ms has had 4).
 */

/** What was before counts half as much in `utilisation` and `loadsPerSecond` after so long. */
const halfLifeMs = 5_000;

export class Bus {
  /** Devices at it. */
  devices = 0;
  #loads = 0;
  #at = 0;
  #ownMs = 0;
  #utilisation = 0;
  #loadsPerSecond = 0;

  /** Weights that are coming in. */
  get loads(): number {
    return this.#loads;
  }

  begin(now: number): void {
    this.#advance(now);
    this.#loads++;
    this.#loadsPerSecond += (Math.LN2 * 1_000) / halfLifeMs;
  }

  end(now: number): void {
    this.#advance(now);
    this.#loads--;
  }

  /** Since the beginning; differences are of use. */
  ownMs(now: number): number {
    this.#advance(now);
    return this.#ownMs;
  }

  /** Part of the last seconds in which anything came in, 0 to 1. */
  utilisation(now: number): number {
    this.#advance(now);
    return this.#utilisation;
  }

  /** Loads that began in the last seconds, as a rate. */
  loadsPerSecond(now: number): number {
    this.#advance(now);
    return this.#loadsPerSecond;
  }

  #advance(now: number): void {
    if (now <= this.#at) return;
    const old = 2 ** ((this.#at - now) / halfLifeMs);
    this.#loadsPerSecond *= old;
    this.#utilisation = old * this.#utilisation + (this.#loads > 0 ? 1 - old : 0);
    if (this.#loads > 0) this.#ownMs += (now - this.#at) / this.#loads;
    this.#at = now;
  }
}
