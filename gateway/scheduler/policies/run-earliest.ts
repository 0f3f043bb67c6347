/** On every idle device the earliest request that waits for something it holds: of policies that load before they run. */
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { Request } from "../core/request.ts";
import { isThere } from "./bring-in.ts";
import type { FunctionQueues } from "./function-queues.ts";

export function runEarliest(
  queues: FunctionQueues,
  mayRun: (fn: FunctionState, device: DeviceState) => boolean = () => true,
): void {
  // One that two devices hold is the earliest of both: the second then looks again.
  while (runEach(earliestByDevice(queues, mayRun), queues));
}

function earliestByDevice(
  queues: FunctionQueues,
  mayRun: (fn: FunctionState, device: DeviceState) => boolean,
): ReadonlyMap<DeviceState, Request> {
  const earliest = new Map<DeviceState, Request>();
  for (const fn of queues.functions) {
    for (const device of fn.holders) {
      if (!device.isIdle || !isThere(device, fn) || !mayRun(fn, device)) continue;
      const request = queues.firstFor(fn, device);
      const before = earliest.get(device);
      if (request !== undefined && (before === undefined || request.id < before.id))
        earliest.set(device, request);
    }
  }
  return earliest;
}

/** @returns whether one of them ran elsewhere. */
function runEach(earliest: ReadonlyMap<DeviceState, Request>, queues: FunctionQueues): boolean {
  let isOneGone = false;
  for (const [device, request] of earliest) {
    if (request.state !== "waiting") {
      isOneGone = true;
      continue;
    }
    queues.remove(request);
    device.cluster.run(device, [request]);
  }
  return isOneGone;
}
