/**
 * What Torpor (USENIX ATC'25) calls native: each function has a process on a device for ever, as many as there is memory
 * for, dealt out as they are first called. Calls of the others are rejected. One run at a time on a device, by arrival;
 * a process that starts holds up nobody.
 */
import type { Cluster } from "../core/cluster.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import { BoundFunctions, fitsMemory, rejectElsewhere } from "./bound-functions.ts";
import { bringIn } from "./bring-in.ts";
import { FunctionQueues } from "./function-queues.ts";
import { Queueing } from "./queueing.ts";
import { runEarliest } from "./run-earliest.ts";

export const native: SchedulingPolicy = {
  name: "native",
  traits: { overlapsLoads: false, sharesSpace: false, coldStart: "process" },
  start: (cluster) => new Native(cluster),
};

class Native extends Queueing<FunctionQueues> {
  readonly #bound: BoundFunctions;

  constructor(cluster: Cluster) {
    super(cluster, new FunctionQueues());
    this.#bound = new BoundFunctions(cluster, fitsMemory, "in turn");
  }

  advance(): void {
    for (const fn of [...this.queue.functions])
      rejectElsewhere(
        this.cluster,
        this.queue,
        fn,
        this.#bound.deviceOf(fn),
        `every device's memory belongs to other functions than '${fn.id}'`,
      );
    runEarliest(this.queue, (fn, device) => this.#bound.deviceOf(fn) === device);
    for (const fn of this.queue.functions) bringIn(this.#bound.deviceOf(fn)!, fn);
  }
}
