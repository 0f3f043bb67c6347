/** A policy that does nothing by itself: tests give the commands of a cluster in its place. */
import type { Cluster } from "../../../../gateway/scheduler/core/cluster.ts";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import type { PolicyTraits, SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import type { Request } from "../../../../gateway/scheduler/core/request.ts";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import type { DeviceSpec, FunctionSpec, RequestSpec } from "../../../../gateway/scheduler/core/specs.ts";
import { deviceSpec, functionSpec, requestSpec } from "./specs.ts";

/** What a policy heard, in order: `arrived 1`, `ended 1`. */
export type Heard = string[];

function idle(traits: PolicyTraits, heard: Heard): SchedulingPolicy {
  const note = (what: string) => void heard.push(what);
  return {
    name: "idle",
    traits,
    start: () => ({
      arrived: ({ id }) => note(`arrived ${id}`),
      returned: ({ id }) => note(`returned ${id}`),
      withdrawn: ({ id }) => note(`withdrawn ${id}`),
      ended: ({ id }) => note(`ended ${id}`),
      loaded: (device, fn) => note(`loaded ${fn.id} on ${device.id}`),
      evicted: (device, fn) => note(`evicted ${fn.id} on ${device.id}`),
      deviceUp: ({ id }) => note(`up ${id}`),
      deviceDown: ({ id }) => note(`down ${id}`),
      advance: () => {},
    }),
  };
}

/** A scheduler whose cluster waits for commands. */
export class CommandedCluster {
  readonly heard: Heard = [];
  readonly cluster: Cluster;
  readonly send: (event: SchedulerEvent, now?: number) => ReturnType<Cluster["takeActions"]>;
  #lastRequest = 0;

  constructor(traits: Partial<PolicyTraits> = {}) {
    const policy = idle({ overlapsLoads: false, sharesSpace: false, ...traits }, this.heard);
    const { cluster, step } = createScheduler(policy);
    this.cluster = cluster;
    this.send = (event, now = cluster.now) => step(event, now);
  }

  device(id: string, overrides?: Partial<DeviceSpec>) {
    this.send({ type: "device-up", device: deviceSpec(id, overrides) });
    return this.cluster.device(id);
  }

  function(id: string, overrides?: Partial<FunctionSpec>) {
    this.send({ type: "function", function: functionSpec(id, overrides) });
    return this.cluster.function(id);
  }

  request(fn: string, overrides?: Partial<RequestSpec>): Request {
    const id = ++this.#lastRequest;
    this.send({ type: "arrival", request: requestSpec(id, fn, overrides) });
    return this.cluster.requests.get(id)!;
  }
}
