/** What policies that keep their requests in one queue have in common: who comes is put into it, who leaves is taken out. */
import type { Cluster } from "../core/cluster.ts";
import type { PolicyAtWork } from "../core/policy.ts";
import type { Request } from "../core/request.ts";

/** An ArrivalQueue, or queues of the same kind by function. */
export interface RequestQueue {
  push(request: Request): void;
  /** One that waited before: to its old place. */
  putBack(request: Request): void;
  remove(request: Request): unknown;
}

export abstract class Queueing<Queue extends RequestQueue> implements PolicyAtWork {
  protected readonly cluster: Cluster;
  protected readonly queue: Queue;

  constructor(cluster: Cluster, queue: Queue) {
    this.cluster = cluster;
    this.queue = queue;
  }

  arrived(request: Request): void {
    this.queue.push(request);
  }

  returned(request: Request): void {
    this.queue.putBack(request);
  }

  withdrawn(request: Request): void {
    this.queue.remove(request);
  }

  abstract advance(now: number): void;
}
