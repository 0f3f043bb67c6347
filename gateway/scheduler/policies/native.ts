/**
 * What Torpor (USENIX ATC'25) calls native: each function has a process on a device for ever, as many as there is memory
 * for, dealt out as they are first called. Calls of the others are rejected. One run at a time on a device, by arrival;
 * a process that starts holds up nobody.
 */
import type { Cluster } from "../core/cluster.ts";
import type { PolicyAtWork, SchedulingPolicy } from "../core/policy.ts";
import type { Request } from "../core/request.ts";
import { BoundFunctions, fitsMemory, rejectElsewhere } from "./bound-functions.ts";
import { bringIn } from "./bring-in.ts";
import { FunctionQueues } from "./function-queues.ts";
import { runEarliest } from "./run-earliest.ts";

export const native: SchedulingPolicy = {
  name: "native",
  traits: { overlapsLoads: false, sharesSpace: false, coldStart: "process" },
  start: (cluster) => new Native(cluster),
};

class Native implements PolicyAtWork {
  readonly #cluster: Cluster;
  readonly #queues = new FunctionQueues();
  readonly #bound: BoundFunctions;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#bound = new BoundFunctions(cluster, fitsMemory, "in turn");
  }

  arrived(request: Request): void {
    this.#queues.push(request);
  }

  returned(request: Request): void {
    this.#queues.putBack(request);
  }

  withdrawn(request: Request): void {
    this.#queues.remove(request);
  }

  advance(): void {
    for (const fn of [...this.#queues.functions])
      rejectElsewhere(
        this.#cluster,
        this.#queues,
        fn,
        this.#bound.deviceOf(fn),
        `every device's memory belongs to other functions than '${fn.id}'`,
      );
    runEarliest(this.#queues, (fn, device) => this.#bound.deviceOf(fn) === device);
    for (const fn of this.#queues.functions) bringIn(this.#bound.deviceOf(fn)!, fn);
  }
}
