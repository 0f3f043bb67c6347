/** The last evictions, and how many there were in all: for the API and for metrics. */
import type { Eviction } from "../scheduler/eviction/victims.ts";
import type { ProgramOwner } from "./owner.ts";
import type { Residence } from "./residence.ts";

export interface LoggedEviction {
  /** ISO 8601. */
  readonly at: string;
  readonly function: string;
  /** Undefined where its last version is gone. */
  readonly version: number | undefined;
  readonly bytes: number;
  readonly cause: LoggedCause;
  readonly reason: string;
}

/** `commanded`: see ManagedDevice.evict. */
export type LoggedCause = Eviction["cause"] | "commanded";

export interface EvictionEntry {
  readonly eviction: { readonly cause: LoggedCause; readonly reason: string };
  readonly residence: Readonly<Residence>;
  readonly owner: ProgramOwner | undefined;
}

const kept = 50;

export class EvictionLog {
  readonly counts: Record<LoggedCause, number> = { room: 0, expired: 0, commanded: 0 };
  readonly #last: LoggedEviction[] = [];

  /** Newest first. */
  get last(): readonly LoggedEviction[] {
    return this.#last.toReversed();
  }

  add({ eviction: { cause, reason }, residence: { label, sizeBytes }, owner }: EvictionEntry): void {
    this.counts[cause]++;
    this.#last.push({
      at: new Date().toISOString(),
      function: owner?.name ?? label,
      version: owner?.version,
      bytes: sizeBytes,
      cause,
      reason,
    });
    if (this.#last.length > kept) this.#last.shift();
  }
}
