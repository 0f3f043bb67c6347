/**
 * Brings pinned Programs in again after the device process has ended: a moment later, and later each time where that
 * happens again soon. What is called meanwhile comes in by itself.
 */
import { getLogger } from "@logtape/logtape";
import { later } from "./later.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";

/** After the first restart; twice as long after each one that follows soon. */
const reloadDelayMs = 500;
const calmMs = 60_000;

const log = getLogger(["dawnlet", "memory"]);

export interface PinnedReloadOptions {
  /** Who is pinned to this device. */
  readonly pinned: () => Iterable<{ readonly owner: ProgramOwner; readonly program: OwnedProgram }>;
  readonly load: (owner: ProgramOwner, program: OwnedProgram) => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

export class PinnedReload {
  readonly #options: PinnedReloadOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #restarts = 0;
  #restartedAtMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(options: PinnedReloadOptions) {
    this.#options = options;
  }

  /** The device process has ended. */
  restarted(): void {
    const now = this.#options.now();
    this.#restarts = now - this.#restartedAtMs > calmMs ? 0 : this.#restarts + 1;
    this.#restartedAtMs = now;
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = later(Math.min(calmMs, reloadDelayMs * 2 ** this.#restarts), () => {
      this.#timer = undefined;
      const { pinned, load } = this.#options;
      for (const { owner, program } of pinned())
        load(owner, program).catch((error: unknown) => warnOfPinned(owner, error));
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
