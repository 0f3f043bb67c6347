/** A scheduling policy for tests: each request runs at once, on the device that the test says. */
import { victimsFor } from "../../gateway/scheduler/core/make-room.ts";
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import type { Request } from "../../gateway/scheduler/core/request.ts";
import { lru } from "../../gateway/scheduler/eviction/lru.ts";

/** @param deviceFor the index of a device that can take it, by the id of the scheduler's function. */
export function placedBy(deviceFor: (fn: string) => number): SchedulingPolicy {
  return {
    name: "placed",
    traits: { overlapsLoads: true, sharesSpace: true },
    start(cluster) {
      const waiting = new Set<Request>();
      return {
        arrived: (request) => void waiting.add(request),
        withdrawn: (request) => void waiting.delete(request),
        advance(now) {
          for (const request of waiting) {
            const { function: fn, boundTo } = request;
            const device = boundTo ?? cluster.devices[deviceFor(fn.id)]!;
            const bytes = device.holds(fn) ? 0 : fn.weightBytes;
            const victims = device.isUp ? victimsFor(device, bytes, lru, now) : undefined;
            if (victims === undefined) continue;
            waiting.delete(request);
            for (const victim of victims) cluster.evict(device, victim.function, "for a test");
            cluster.run(device, [request]);
          }
        },
      };
    },
  };
}
