/** A device with nothing to do takes what it would answer sooner than the device that it waits for. */
import type { DeviceState } from "../../core/device-state.ts";
import type { DeviceQueue, Flow } from "./device-queue.ts";
import { type PlacementContext, placeOn } from "./placement.ts";

/** Queues that are looked at a time, of many. */
const looked = 16;

/**
 * The flow whose last request gains most.
 * @param queues those in which anybody waits.
 * @returns undefined where nothing is gained.
 */
export function bestToSteal(
  context: PlacementContext,
  thief: DeviceState,
  queues: ReadonlySet<DeviceQueue>,
): Flow | undefined {
  const { now } = context.cluster;
  let best: Flow | undefined;
  let bestGain = 0;
  let seen = 0;
  for (const queue of queues) {
    if (queue.device === thief) continue;
    if (++seen > looked) break;
    const waitMs = queue.device.backlogMs(now) + queue.workMs;
    for (const flow of queue.flows.values()) {
      const last = flow.requests.at(-1)!;
      if (!last.mayRunOn(thief)) continue;
      // It would be the last there, of which nobody waits for the part beside it, and pay the load where the weights are
      // not there.
      const { device } = queue;
      const loadMs = device.holds(flow.function) ? 0 : device.loadedInMs(queue.loadWaitMs);
      const besideMs = (1 - flow.function.occupancy) * device.runMs(flow.function, last.rows);
      const there = now + Math.max(waitMs + besideMs, loadMs);
      const here = placeOn(context, last, thief, there - bestGain);
      if (here === undefined) continue;
      best = flow;
      bestGain = there - here.cost;
    }
  }
  return best;
}
