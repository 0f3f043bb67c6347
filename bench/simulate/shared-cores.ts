/**
 * Processors that software devices share: the more of them compute or load at a time, the slower each does. How much
 * slower is measured, not derived. Who uses them says when it begins and ends; then all go on at another speed.
 */

/** How many times as long each part takes, where so many are busy; 1 for one, where it was measured alone. */
export interface Slowness {
  runs(busyParts: number): number;
  /** Memory that is copied may suffer more than what computes. */
  loads(busyParts: number): number;
  /** What is before and after the device, where so many parts are busy for others. Left out: 1. */
  host?(busyParts: number): number;
}

/** A part of a simulation whose work takes as long as the processors make it take. */
export interface CoreUser {
  /** What it does at a time, in parts of which each would like a processor. */
  readonly busyParts: number;
  /** Does what was done until now, at the slowness that was in force. */
  advance(now: number): void;
  /** Says anew when its next part ends. */
  plan(now: number): void;
}

export class SharedCores {
  readonly #slowness: Slowness;
  readonly #users: CoreUser[] = [];
  /** In force. */
  runs = 1;
  loads = 1;
  host = 1;

  constructor(slowness: Slowness) {
    this.#slowness = slowness;
  }

  join(user: CoreUser): void {
    this.#users.push(user);
  }

  /** Some user has more or less to do, from now on. */
  changed(now: number): void {
    let busyParts = 0;
    for (const user of this.#users) {
      user.advance(now);
      busyParts += user.busyParts;
    }
    const parts = Math.max(1, busyParts);
    this.runs = this.#slowness.runs(parts);
    this.loads = this.#slowness.loads(parts);
    this.host = this.#slowness.host?.(busyParts) ?? 1;
    for (const user of this.#users) user.plan(now);
  }
}

/** Between the numbers that were measured on a line; beyond the last in proportion. @param measured for 1, 2, … parts. */
export function slownessFrom(measured: readonly number[]): (busyParts: number) => number {
  const last = measured.length;
  return (busyParts) => {
    if (busyParts >= last) return (measured[last - 1]! * busyParts) / last;
    const below = Math.floor(busyParts);
    const [from, to] = [measured[below - 1]!, measured[below]!];
    return from + (to - from) * (busyParts - below);
  };
}
