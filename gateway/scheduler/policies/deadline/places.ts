/**
 * Whether a device takes another run now: while it has less work before it than it should have, or a part of it is idle, or
 * all are in time although it makes them slower. What it cuts stands in nobody's way who is due before that: whoever comes
 * goes in between its parts.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { Request } from "../../core/request.ts";
import type { Residence } from "../../core/residence.ts";
import type { Flow } from "./device-queue.ts";
import { runDueAt } from "./due.ts";

export interface Places {
  /** One behind all that the device was given. */
  readonly behind: boolean;
  /** When there will be one behind if nothing ends before that; infinity where an end comes first. */
  readonly behindAt: number;
  /** One between parts of what it cuts, and one there for what it would cut as well. */
  readonly between: boolean;
  readonly betweenToo: boolean;
  /** What is due later goes behind what is cut. */
  readonly betweenUntil: number;
  /** Sum of the parts of the device that its runs fill; infinity where nobody may run beside them. */
  readonly filled: number;
}

/** A device is full where its runs fill this part of it: more slow each other down. */
const fullFrom = 0.98;
/** Runs that are cut at a time: the more take turns, the longer each holds its memory. */
const mostCut = 3;

export function placesOn(device: DeviceState, now: number): Places {
  const behind = hasRoom(device, device.backlogMs(now), now, true);
  const behindAt = behind ? now : now + untilAheadMs(device, now);
  const filled = behind ? 0 : filledBeside(device);
  if (device.cutBacklog.isEmpty)
    return { behind, behindAt, between: behind, betweenToo: behind, betweenUntil: never, filled };
  const between = hasRoom(device, device.backlog.leftMs(now), now, false);
  const betweenToo = between && device.cutBacklog.runs < mostCut;
  return { behind, behindAt, between, betweenToo, betweenUntil: firstCutDue(device), filled };
}

/** For the first of a flow. */
export function hasPlace(flow: Flow, places: Places, now: number): boolean {
  const { behind, between, betweenToo, betweenUntil, filled } = places;
  if (behind) return true;
  if (!between) return goesBeside(flow, filled, now);
  const due = flow.dueAt(now);
  if (!flow.queue.device.cuts(flow.function, flow.head.rows)) return due <= betweenUntil;
  // Of two that are due at the same time none is sooner for taking turns.
  return betweenToo && due < betweenUntil;
}

/** Milliseconds of what a device was given that go before a request. @param due when that is due there. */
export function givenBeforeMs(
  { function: fn, rows }: Request,
  due: number,
  device: DeviceState,
  now: number,
): number {
  const { cutBacklog } = device;
  if (cutBacklog.isEmpty || due > firstCutDue(device)) return device.backlogMs(now);
  const betweenMs = device.backlogBetweenMs(now);
  // What is cut as well takes turns with the others until it is done.
  return device.cuts(fn, rows)
    ? betweenMs + Math.min(cutBacklog.leftMs(now), device.runMs(fn, rows))
    : betweenMs;
}

/**
 * Whether a run with a deadline begins though it makes all slower: rather than wait for a long one to end, as long as
 * nobody is late for it. Without one nothing is gained: what all take together is the same, and who goes first is sooner.
 */
function goesBeside(flow: Flow, filled: number, now: number): boolean {
  const { device } = flow.queue;
  const { function: fn, head } = flow;
  if (head.deadline === undefined || fn.occupancy >= 1 || filled === Number.POSITIVE_INFINITY) return false;
  const slowed = filled + fn.occupancy;
  if (now + device.runMs(fn, head.rows) * slowed > flow.dueAt(now)) return false;
  const slowedNow = Math.max(1, filled);
  for (const run of device.runs) {
    const leftMs = Math.max(0, run.runMs - (now - run.startedAt) / slowedNow);
    const dueInMs = runDueAt(run) - now;
    const isInTimeNow = leftMs * slowedNow <= dueInMs;
    if (isInTimeNow && leftMs * slowed > dueInMs) return false;
  }
  return true;
}

/** Who fills a device alone does not share it. */
function filledBeside(device: DeviceState): number {
  if (!device.cluster.traits.sharesSpace) return Number.POSITIVE_INFINITY;
  let filled = 0;
  for (const { function: fn } of device.runs) {
    if (fn.occupancy >= 1) return Number.POSITIVE_INFINITY;
    filled += fn.occupancy;
  }
  return filled;
}

const never = Number.NEGATIVE_INFINITY;

function firstCutDue(device: DeviceState): number {
  let due = Number.POSITIVE_INFINITY;
  for (const run of device.runs) if (run.isCut) due = Math.min(due, runDueAt(run));
  return due;
}

/** Sums of fractions are never quite what they should be. */
const pastMs = 1e-3;

/** Until the only run of a device is so near its end that the next one is to be there. Of several one ends before that. */
function untilAheadMs(device: DeviceState, now: number): number {
  const { aheadMs = 0 } = device.spec;
  if (aheadMs === 0 || device.runs.size !== 1) return Number.POSITIVE_INFINITY;
  return device.backlogMs(now) - aheadMs + pastMs;
}

/** Who waits for weights does not count. @param withCut whether what is cut counts. */
function hasRoom(device: DeviceState, backlogMs: number, now: number, withCut: boolean): boolean {
  if (backlogMs < (device.spec.aheadMs ?? 0)) return true;
  let filled = 0;
  for (const run of device.runs) {
    if (run.isCut && !withCut) continue;
    if (!isComingIn(device.residences.get(run.function)!, now)) filled += run.function.occupancy;
  }
  return filled === 0 || (device.cluster.traits.sharesSpace && filled < fullFrom);
}

/** Devices may tell that weights are there only when the run has ended that they came for. */
function isComingIn({ state, loadEndsAt }: Residence, now: number): boolean {
  return state === "loading" && now < loadEndsAt;
}
