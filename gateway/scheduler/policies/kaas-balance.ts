/**
 * KaaS's Balance (Pemberton et al., arXiv 2212.08146): requests in the order of their arrival, each on any device that is
 * free, wherever weights are. One run at a time, which begins when its weights are there.
 */
import type { Cluster } from "../core/cluster.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import { ArrivalQueue } from "./arrival-queue.ts";
import { inTurn } from "./in-turn.ts";
import { Queueing } from "./queueing.ts";
import { TwoListEviction } from "./two-list-eviction.ts";

export const kaasBalance: SchedulingPolicy = {
  name: "kaas-balance",
  traits: { overlapsLoads: false, sharesSpace: false },
  start: (cluster) => new KaasBalance(cluster),
};

class KaasBalance extends Queueing<ArrivalQueue> {
  readonly #eviction = new TwoListEviction();
  #lastUsed = -1;

  constructor(cluster: Cluster) {
    super(cluster, new ArrivalQueue());
  }

  /** One that can run on busy devices only lets others pass. */
  advance(): void {
    for (const request of this.queue) {
      const idle = inTurn(this.cluster.devices, this.#lastUsed).filter((device) => device.isIdle);
      if (idle.length === 0) return;
      for (const device of idle) {
        if (!request.mayRunOn(device) || this.#eviction.runAlone(device, request) === undefined) continue;
        this.queue.remove(request);
        this.#lastUsed = device.index;
        break;
      }
    }
  }
}
