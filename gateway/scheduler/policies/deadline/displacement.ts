/**
 * What it costs to have weights leave a device: the load that their next request pays. Who is called seldom, loads fast
 * or has another copy costs little. Used to choose who goes, and where a function comes in.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";
import { victimsFor } from "../../core/make-room.ts";
import type { Residence } from "../../core/residence.ts";
import type { EvictionPolicy, Resident } from "../../eviction/policy.ts";
import { lastTouchedMs } from "../../eviction/policy.ts";
import { formatDuration, rateText } from "../../eviction/words.ts";
import { lateWeight } from "./due.ts";

/**
 * Milliseconds of loading and of waiting for it that a second without the weights costs, a byte: `cost`
 * (eviction/cost.ts), where requests share the copies, and loads a bus. So what comes in fast comes and goes, and what
 * would hold up others for long stays: of functions that take turns on a bus, the more meet their deadlines.
 */
export const byExpectedLoad: EvictionPolicy = {
  name: "expected-load",
  key: (resident) => [lossPerSecond(resident) / Math.max(1, resident.bytes), lastTouchedMs(resident)],
  explain: (resident) =>
    `costs least for its size: ${rateText(resident)} × ${formatDuration(resident.loadMs)} to load`,
};

/** Another copy takes over nearly all of what one would have done. */
const copyFactor = 0.2;

function lossPerSecond(resident: Resident): number {
  const { usesPerSecond, isSoleCopy } = resident;
  return usesPerSecond * reloadLossMs(resident) * (isSoleCopy ? 1 : copyFactor);
}

/** Of all who wait for a load: its own request, and others, who may be late by it. */
function reloadLossMs({ loadMs, busLoadsPerSecond = 0 }: Resident): number {
  return loadMs + lateWeight * waitingMeanwhileMs(loadMs, busLoadsPerSecond);
}

/**
 * Milliseconds for which those wait together whose loads are asked for during a load: each for half of it in the mean.
 * So it grows with the square of its length, as waiting in a queue does (Pollaczek and Khinchine).
 */
function waitingMeanwhileMs(loadMs: number, loadsPerSecond: number): number {
  return (((loadsPerSecond * loadMs) / 1_000) * loadMs) / 2;
}

export interface Displacement {
  readonly victims: readonly Residence[];
  /** Milliseconds of loading that others are expected to pay. */
  readonly lossMs: number;
}

/**
 * Who would go for a function, and what that costs.
 * @param eviction who goes first.
 * @param stayMs how long weights stay as a rule: who is not called within that would have gone anyway.
 * @param isWanted those go only where nobody else can.
 * @returns undefined where there is no room to be made now.
 */
export function displacementFor(
  device: DeviceState,
  fn: FunctionState,
  { eviction, stayMs }: { readonly eviction: EvictionPolicy; readonly stayMs: number },
  isWanted: (residence: Residence) => boolean,
): Displacement | undefined {
  const { now } = device.cluster;
  const bytes = device.bytesOf(fn);
  const victims =
    victimsFor(device, bytes, eviction, now, (one) => !isWanted(one)) ??
    victimsFor(device, bytes, eviction, now);
  if (victims === undefined) return undefined;
  let lossMs = 0;
  for (const victim of victims) {
    const callsInStay = (victim.usesPerSecond * stayMs) / 1_000;
    lossMs += (1 - Math.exp(-callsInStay)) * victim.loadMs * (victim.isSoleCopy ? 1 : copyFactor);
  }
  return { victims, lossMs };
}
