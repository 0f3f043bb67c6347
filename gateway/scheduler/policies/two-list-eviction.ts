/**
 * Eviction as KaaS does it (Pemberton et al., arXiv 2212.08146, and its buffer cache): two lists, least recently used
 * first in both. What was used more than twice since it came in is taken for something that is used again, and goes only
 * after all others.
 */
import type { DeviceState } from "../core/device-state.ts";
import type { Request, Run } from "../core/request.ts";
import { type EvictionPolicy, lastTouchedMs, type Resident } from "../eviction/policy.ts";
import { idleText } from "../eviction/words.ts";
import { runAlone } from "./run-alone.ts";

/** More uses than this are many. */
const manyUses = 2;

/** Counts the runs that it is asked for, by what they use. */
export class TwoListEviction implements EvictionPolicy {
  readonly name = "kaas";
  /** Forgotten with what leaves the device. */
  readonly #uses = new WeakMap<Resident, number>();

  key(resident: Resident): readonly number[] {
    return [this.#isUsedOften(resident) ? 1 : 0, lastTouchedMs(resident)];
  }

  explain(resident: Resident, nowMs: number): string {
    const uses = this.#isUsedOften(resident) ? "used often, but nothing else is left" : "used at most twice";
    return `${uses}; ${idleText(resident, nowMs)}`;
  }

  /** @returns undefined, all as before, where there is no room that could be made. */
  runAlone(device: DeviceState, request: Request): Run | undefined {
    const run = runAlone(device, request, this);
    if (run === undefined) return undefined;
    const residence = device.residences.get(run.function)!;
    this.#uses.set(residence, this.#usesOf(residence) + 1);
    return run;
  }

  #isUsedOften(resident: Resident): boolean {
    return this.#usesOf(resident) > manyUses;
  }

  #usesOf(resident: Resident): number {
    return this.#uses.get(resident) ?? 0;
  }
}
