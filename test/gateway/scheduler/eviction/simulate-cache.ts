/**
 * A device's memory as a cache, played through a trace of calls in virtual time: what each policy misses.
 * One call at a time; a load takes no virtual time, its cost is only counted.
 */
import type { EvictionPolicy, Resident } from "../../../../gateway/scheduler/eviction/policy.ts";
import {
  neverUsed,
  type UseRate,
  usesPerSecond,
  withUse,
} from "../../../../gateway/scheduler/eviction/use-rate.ts";
import { chooseVictims } from "../../../../gateway/scheduler/eviction/victims.ts";

export interface SimulatedFunction {
  readonly id: string;
  readonly bytes: number;
  readonly loadMs: number;
  readonly isHeavy: boolean;
}

export interface Call {
  readonly atMs: number;
  /** Position in the list of functions. */
  readonly function: number;
}

/** Shares of what a device without memory for weights would load: 0 is a device that holds everything. */
export interface MissRatios {
  readonly calls: number;
  /** Of the calls of heavy functions. */
  readonly heavyCalls: number;
  readonly bytes: number;
  /** Of milliseconds of loading. */
  readonly cost: number;
  /** Most bytes that were held at once. */
  readonly peakBytes: number;
}

interface State {
  rate: UseRate;
  uses: number;
  lastUsedMs: number;
  loadedAtMs: number;
}

export function simulateCache(
  policy: EvictionPolicy,
  functions: readonly SimulatedFunction[],
  trace: readonly Call[],
  capacityBytes: number,
  halfLifeMs: number,
): MissRatios {
  const states = functions.map(
    (): State => ({ rate: neverUsed(halfLifeMs), uses: 0, lastUsedMs: 0, loadedAtMs: 0 }),
  );
  const indexById = new Map(functions.map(({ id }, i) => [id, i]));
  const held = new Set<number>();
  const missed = noSums();
  const asked = noSums();
  let usedBytes = 0;
  let peakBytes = 0;
  for (const { atMs, function: index } of trace) {
    const called = functions[index]!;
    const state = states[index]!;
    count(asked, called);
    state.rate = withUse(state.rate, atMs);
    state.uses++;
    state.lastUsedMs = atMs;
    if (held.has(index)) continue;
    count(missed, called);
    const residents = [...held].map((i) => residentOf(functions[i]!, states[i]!, atMs));
    const needed = { bytes: usedBytes + called.bytes - capacityBytes, for: called.id };
    const chosen = chooseVictims(policy, residents, needed, atMs);
    if (chosen === undefined) throw new RangeError(`'${called.id}' alone is larger than the device`);
    for (const victim of chosen.victims) held.delete(indexById.get(victim.id)!);
    held.add(index);
    state.loadedAtMs = atMs;
    usedBytes += called.bytes - chosen.freedBytes;
    peakBytes = Math.max(peakBytes, usedBytes);
  }
  return {
    calls: missed.calls / asked.calls,
    heavyCalls: missed.heavyCalls / asked.heavyCalls,
    bytes: missed.bytes / asked.bytes,
    cost: missed.cost / asked.cost,
    peakBytes,
  };
}

function noSums() {
  return { calls: 0, heavyCalls: 0, bytes: 0, cost: 0 };
}

function count(sums: ReturnType<typeof noSums>, { bytes, loadMs, isHeavy }: SimulatedFunction): void {
  sums.calls++;
  if (isHeavy) sums.heavyCalls++;
  sums.bytes += bytes;
  sums.cost += loadMs;
}

function residentOf(one: SimulatedFunction, state: State, nowMs: number): Resident {
  return {
    ...one,
    lastUsedMs: state.lastUsedMs,
    loadedAtMs: state.loadedAtMs,
    uses: state.uses,
    usesPerSecond: usesPerSecond(state.rate, nowMs),
    isSoleCopy: true,
    tenant: "t",
    priority: 0,
    isPinned: false,
    isLeased: false,
    keepUntilMs: undefined,
  };
}
