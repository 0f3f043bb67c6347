/**
 * How many requests of a flow go together. What waits anyway goes with the flow's first one, as far as that pays and
 * nobody misses a deadline by it that would be met one after another: the window in which requests are gathered is the
 * time that they wait for the device. On an idle device nobody waits for company.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { Request } from "../../core/request.ts";
import type { Flow } from "./device-queue.ts";

/** A batch must take less than this part of what its requests take one by one. */
const worthwhile = 0.97;

/** @returns one or more that can run together on the device, the first of the flow among them. */
export function takeBatch(flow: Flow, device: DeviceState, now: number): readonly Request[] {
  const { head, function: fn } = flow;
  const { batchKey } = head;
  if (fn.batchLimit === 1 || batchKey === undefined || flow.requests.length === 1) return [head];
  const batch: Request[] = [];
  let rows = 0;
  /** Of so many, one after another. */
  const aloneMs = [0];
  for (const request of flow.requests) {
    if (request.batchKey !== batchKey || !request.mayRunOn(device)) continue;
    if (batch.length > 0 && rows + request.rows > fn.batchLimit) break;
    batch.push(request);
    rows += request.rows;
    aloneMs.push(aloneMs.at(-1)! + device.runMs(fn, request.rows));
  }
  while (batch.length > 1) {
    const batchMs = device.runMs(fn, rows);
    const isWorthwhile = batchMs < worthwhile * aloneMs[batch.length]! || isNew(fn, device, rows);
    const isInTime = batch.every(
      ({ deadline }, i) =>
        deadline === undefined || now + batchMs <= deadline || now + aloneMs[i + 1]! > deadline,
    );
    if (isWorthwhile && isInTime) break;
    rows -= batch.pop()!.rows;
  }
  return batch;
}

/** A size that was never tried is worth a try: what is expected of it is no better than no batch. */
function isNew(fn: Flow["function"], device: DeviceState, rows: number): boolean {
  return !fn.times(device.spec.class).isMeasured(rows);
}
