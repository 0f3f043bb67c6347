/**
 * Brings pinned Programs in again after the device process has ended: a moment later, and later each time where that
 * happens again soon. What is called meanwhile comes in by itself.
 */
import { getLogger } from "@logtape/logtape";
import { later } from "./later.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";
import type { ProgramOwners } from "./program-owners.ts";

/** After the first restart; twice as long after each one that follows soon. */
const reloadDelayMs = 500;
const calmMs = 60_000;

const log = getLogger(["dawnlet", "memory"]);

export class PinnedReload {
  readonly #owners: ProgramOwners;
  readonly #load: (owner: ProgramOwner, program: OwnedProgram) => Promise<void>;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #restarts = 0;
  #restartedAtMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(
    owners: ProgramOwners,
    load: (owner: ProgramOwner, program: OwnedProgram) => Promise<void>,
    now: () => number,
  ) {
    this.#owners = owners;
    this.#load = load;
    this.#now = now;
  }

  /** The device process has ended. */
  restarted(): void {
    const now = this.#now();
    this.#restarts = now - this.#restartedAtMs > calmMs ? 0 : this.#restarts + 1;
    this.#restartedAtMs = now;
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = later(Math.min(calmMs, reloadDelayMs * 2 ** this.#restarts), () => {
      this.#timer = undefined;
      for (const { owner, program } of this.#owners.pinned())
        this.#load(owner, program).catch((error: unknown) => warnOfPinned(owner, error));
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}

export function warnOfPinned({ name }: ProgramOwner, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  log.warn("pinned function {name} could not be loaded: {reason}", { name, reason });
}
