/**
 * When a request is due: what devices order their work by, earliest first. A deadline where there is one; else a time
 * in proportion to the work, so that short requests do not wait for long ones, and no one for ever: nothing
 * is due before it has arrived, so what comes after a request is due goes behind it.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { Request, Run } from "../../core/request.ts";

/** A millisecond late costs as much as so many of waiting. */
export const lateWeight = 10;
/** A request without a deadline is due after so many times its run. */
const patience = 8;
/**
 * And after so many times its load. The longer a miss waits for hits, the fewer loads there are where all who call are
 * more than fit, and the longer the slowest calls take.
 */
const loadPatience = 16;
/** What is too late anyway goes behind what is not, for so many times what its deadline left it. */
const lateFactor = 10;
/** And at least so long. */
const lateMs = 1_000;

/**
 * At a moment, on a device: where the weights are there a request without a deadline is due sooner, and one that cannot
 * make its deadline any more much later.
 * @returns a point in time.
 */
export function dueAt(request: Request, device: DeviceState, now: number): number {
  const { function: fn, deadline, arrivedAt, rows } = request;
  if (deadline === undefined)
    return arrivedAt + patience * device.runMs(fn, rows) + loadPatience * loadMs(request, device);
  if (!isHopeless(request, device, now)) return deadline;
  // One that had passed when the request came must not put it before all others.
  return Math.max(arrivedAt, deadline) + Math.max(lateMs, lateFactor * (deadline - arrivedAt));
}

/** When the first of its requests was due when it began. */
export function runDueAt({ requests, runMs }: Run): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { deadline, arrivedAt } of requests)
    due = Math.min(due, deadline ?? arrivedAt + patience * runMs);
  return due;
}

/** Whether it will be late even if it is next. */
export function isHopeless(request: Request, device: DeviceState, now: number): boolean {
  const { function: fn, deadline = Number.POSITIVE_INFINITY, rows } = request;
  return device.endOfRun(fn, rows, now, now + loadMs(request, device)) > deadline;
}

function loadMs({ function: fn }: Request, device: DeviceState): number {
  return device.holds(fn) ? 0 : device.aloneLoadMs(fn);
}
