/**
 * Whose the GPU's time was: charges each run of a round with its share, and learns from it what Programs take. A
 * timestamp costs the host as much as half a tiny run, so of short rounds few are timed; the others are charged what
 * their Programs took then, and never more than the host waited.
 */
import { splitMs } from "./gpu-time.ts";
import type { PendingRun } from "./pending-run.ts";

/** One round is timed in this much of the GPU's time, in milliseconds, so that timing takes about a hundredth of it. */
const timedEveryMs = 10;
/** And in so many rounds, however short they are. */
const timedEveryRounds = 64;

export interface RoundTime {
  /** For how long the GPU had nothing older to do, as the host saw it, in milliseconds. */
  readonly wallMs: number;
  /** By the GPU's clock; undefined where it was not asked, or gave nonsense. */
  readonly gpuMs: number | undefined;
  /** It was asked. */
  readonly isTimed: boolean;
}

export class RoundAccounts {
  readonly #hasClock: () => boolean;
  #untimedMs = 0;

  /** @param hasClock the device's own; otherwise the host's is all there is. */
  constructor(hasClock: () => boolean) {
    this.#hasClock = hasClock;
  }

  /** Whether the next round is to be timed. */
  isDue(runs: readonly PendingRun[]): boolean {
    if (!this.#hasClock()) return false;
    for (const { program } of runs) {
      const { aloneMs, isKnown } = program.cost;
      if (!isKnown) return true;
      this.#untimedMs += aloneMs ?? 0;
    }
    this.#untimedMs += timedEveryMs / timedEveryRounds;
    if (this.#untimedMs < timedEveryMs) return false;
    this.#untimedMs = 0;
    return true;
  }

  /** @returns milliseconds of the GPU by run. */
  close(runs: readonly PendingRun[], { wallMs, gpuMs, isTimed }: RoundTime): readonly number[] {
    const [first] = runs;
    if (runs.length === 1) first!.program.cost.ranAlone(wallMs, gpuMs);
    else for (const { program } of runs) program.cost.ranWithOthers(wallMs);
    const isMeasured = isTimed || !this.#hasClock();
    const totalMs = gpuMs ?? (isMeasured ? wallMs : this.#estimate(runs, wallMs));
    const soloMs = runs.map(({ program }) => program.cost.aloneMs);
    const shares = splitMs(totalMs, soloMs);
    if (isMeasured) for (let i = 0; i < runs.length; i++) runs[i]!.program.cost.charged(shares[i]!);
    return shares;
  }

  #estimate(runs: readonly PendingRun[], wallMs: number): number {
    let sumMs = 0;
    for (const { program } of runs) sumMs += program.cost.chargedMs ?? wallMs;
    return Math.min(sumMs, wallMs);
  }
}
