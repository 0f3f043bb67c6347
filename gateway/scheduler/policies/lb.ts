/**
 * Load balancing: the head of one queue goes to whichever device is idle, wherever its weights are. The baseline of
 * Zhao, Jha and Hong (arXiv 2303.05601): one request at a time on a device, least recently used weights leave.
 */
import type { Cluster } from "../core/cluster.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import type { Request } from "../core/request.ts";
import { ArrivalQueue } from "./arrival-queue.ts";
import { Queueing } from "./queueing.ts";
import { runAlone } from "./run-alone.ts";

export const lb: SchedulingPolicy = {
  name: "lb",
  traits: { overlapsLoads: false, sharesSpace: false },
  start: (cluster) => new LoadBalancing(cluster),
};

class LoadBalancing extends Queueing<ArrivalQueue> {
  /** Devices take turns. */
  #lastUsed = -1;

  constructor(cluster: Cluster) {
    super(cluster, new ArrivalQueue());
  }

  /** In order; what no idle device can take (it is bound to another, say) lets others by, which it would not hold up. */
  advance(): void {
    let idle = 0;
    for (const device of this.cluster.devices) if (device.isIdle) idle++;
    for (const request of this.queue) {
      if (idle === 0) return;
      if (!this.#start(request)) continue;
      this.queue.remove(request);
      idle--;
    }
  }

  /** @returns false where no idle device can take it. */
  #start(request: Request): boolean {
    const { devices } = this.cluster;
    for (let i = 1; i <= devices.length; i++) {
      const device = devices[(this.#lastUsed + i) % devices.length]!;
      if (!device.isIdle || !request.mayRunOn(device) || runAlone(device, request) === undefined) continue;
      this.#lastUsed = device.index;
      return true;
    }
    return false;
  }
}
