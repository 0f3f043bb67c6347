/**
 * Who would go from a device so that something else can come in: asks the eviction policy about what is there. It
 * changes nothing; residency.ts does what comes of it.
 */
import { freedBytes } from "../scheduler/eviction/freed.ts";
import { type EvictionPolicy, mayGo, type Resident } from "../scheduler/eviction/policy.ts";
import { chooseVictims, type Eviction } from "../scheduler/eviction/victims.ts";
import type { Estimates } from "./estimates.ts";
import type { HeldWeights } from "./held-weights.ts";
import type { Residence } from "./residence.ts";

export interface VictimSearchOptions {
  readonly policy: EvictionPolicy;
  readonly held: HeldWeights;
  readonly residences: ReadonlyMap<string, Residence>;
  readonly estimates: Estimates;
}

export interface RoomWanted {
  /** Beyond what is missing by our count. */
  readonly extraBytes: number;
  /** What weights may take. */
  readonly targetBytes: number;
  readonly now: number;
  /** Who may not go. */
  readonly isHeld: (residence: Residence) => boolean;
}

const nothing: readonly Eviction[] = [];

export class VictimSearch {
  readonly #policy: EvictionPolicy;
  readonly #held: HeldWeights;
  readonly #residences: ReadonlyMap<string, Residence>;
  readonly #estimates: Estimates;

  constructor({ policy, held, residences, estimates }: VictimSearchOptions) {
    this.#policy = policy;
    this.#held = held;
    this.#residences = residences;
    this.#estimates = estimates;
  }

  /** So that a Program can come in; the weights that it shares with them stay counted. @returns undefined where it cannot. */
  victimsFor(
    residence: Residence,
    { extraBytes, targetBytes, now, isHeld }: RoomWanted,
  ): readonly Eviction[] | undefined {
    const isComing = !residence.isOn;
    if (isComing) this.#held.hold(residence.weights);
    try {
      const missing = isComing ? Math.max(0, this.#held.usedBytes - targetBytes) : 0;
      if (missing + extraBytes === 0) return nothing;
      const candidates = this.candidates(now, (one) => one === residence || isHeld(one));
      const bytes = missing + Math.min(extraBytes, this.#spareBytes(residence, missing, now));
      if (bytes === missing && extraBytes > 0) return undefined;
      return chooseVictims(this.#policy, candidates, { bytes, for: residence.label }, now)?.victims;
    } finally {
      if (isComing) this.#held.release(residence.weights);
    }
  }

  /** As many as can go now of those that are to make room of so many bytes. */
  victimsToShrink(bytes: number, now: number): readonly Eviction[] {
    const candidates = this.candidates(now, isLeased);
    const most = candidates.filter(mayGo).reduce((sum, one) => sum + one.bytes, 0);
    return (
      chooseVictims(this.#policy, candidates, { bytes, for: "activations" }, now)?.victims ??
      chooseVictims(this.#policy, candidates, { bytes: most, for: "activations" }, now)?.victims ??
      nothing
    );
  }

  /** What is there, as a policy sees it. */
  candidates(now: number, isHeld: (residence: Residence) => boolean): readonly Resident[] {
    const candidates: Resident[] = [];
    for (const residence of this.#residences.values()) {
      if (residence.state === "absent") continue;
      const guessedLoadMs = this.#estimates.guessedLoadMs(residence.sizeBytes);
      candidates.push(residence.resident(this.#held, now, guessedLoadMs, isHeld(residence)));
    }
    return candidates;
  }

  /** What all others together would free beyond what is missing, once they are not leased. */
  #spareBytes(residence: Residence, missingBytes: number, now: number): number {
    const others = this.candidates(now, (one) => one === residence).filter(mayGo);
    return Math.max(0, freedBytes(others) - missingBytes);
  }
}

export function isLeased(residence: Residence): boolean {
  return residence.leases > 0;
}
