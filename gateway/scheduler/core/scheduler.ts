/**
 * The scheduler: `step(event, now)` changes its state and says what is to be done. No clock, no I/O, nothing random: the
 * same events at the same times give the same actions. The live gateway and the simulator drive this one.
 */
import type { SchedulerAction } from "./actions.ts";
import { Cluster } from "./cluster.ts";
import type { SchedulerEvent } from "./events.ts";
import type { FunctionState } from "./function-state.ts";
import { canMakeRoom } from "./make-room.ts";
import type { PolicyAtWork, SchedulingPolicy } from "./policy.ts";
import type { Request } from "./request.ts";

export interface Scheduler {
  readonly cluster: Cluster;
  /** @param now never before that of the last step. @returns in the order in which they are to be done. */
  step(event: SchedulerEvent, now: number): readonly SchedulerAction[];
}

export function createScheduler(policy: SchedulingPolicy): Scheduler {
  const cluster = new Cluster(policy.traits);
  const atWork = policy.start(cluster);
  return {
    cluster,
    step(event, now) {
      cluster.now = Math.max(cluster.now, now);
      hear(cluster, atWork, event);
      do {
        if (cluster.homesMayBeGone) rejectHomeless(cluster, atWork);
        atWork.advance(cluster.now);
        // It may have brought in what is pinned.
      } while (cluster.homesMayBeGone);
      return cluster.takeActions();
    },
  };
}

function hear(cluster: Cluster, policy: PolicyAtWork, event: SchedulerEvent): void {
  switch (event.type) {
    case "function": {
      const fn = cluster.addFunction(event.function);
      rejectHomeless(cluster, policy);
      policy.functionChanged?.(fn);
      break;
    }
    case "function-removed":
      removed(cluster, policy, cluster.functions.get(event.function));
      break;
    case "device-up": {
      // Not within the optional call, which does not evaluate its arguments where a policy has no such method.
      const device = cluster.deviceUp(event.device);
      policy.deviceUp?.(device);
      rejectHomeless(cluster, policy);
      break;
    }
    case "device-down": {
      const device = cluster.device(event.device);
      cluster.deviceDown(device);
      policy.deviceDown?.(device);
      break;
    }
    case "budget": {
      const device = cluster.device(event.device);
      device.budgetBytes = event.bytes;
      rejectHomeless(cluster, policy);
      policy.budgetChanged?.(device);
      break;
    }
    case "arrival": {
      const request = cluster.arrived(event.request);
      if (request !== undefined) admit(cluster, policy, request);
      break;
    }
    case "cancelled": {
      const request = cluster.requests.get(event.request);
      if (request?.state !== "waiting") break;
      cluster.cancelled(request);
      policy.withdrawn(request);
      break;
    }
    case "loaded":
    case "load-failed":
    case "evicted":
      residenceChanged(cluster, policy, event);
      break;
    case "resident": {
      const device = cluster.device(event.device);
      const residence = cluster.resident(device, event.function);
      if (residence !== undefined) policy.loaded?.(device, residence.function);
      break;
    }
    case "wanted":
      wanted(cluster, event.device, event.function);
      break;
    case "unwanted":
      unwanted(cluster, policy, event);
      break;
    case "ended": {
      const run = cluster.ended(event.run, event.runMs);
      policy.ended?.(run, event.runMs);
      break;
    }
    case "failed":
      failed(cluster, policy, event.run, event.isRetried);
      break;
    case "tick":
      break;
    default:
      event satisfies never;
  }
}

function admit(cluster: Cluster, policy: PolicyAtWork, request: Request): void {
  if (hasHome(cluster, request)) policy.arrived(request);
  else rejectTooLarge(cluster, request);
}

/**
 * Whether some device could take it, if all left that may. Devices that are down count, with nothing on them: they come
 * back, and what is pinned there is heard of when it is there.
 */
function hasHome(cluster: Cluster, request: Request): boolean {
  return cluster.devices.some((device) => request.mayRunOn(device) && canMakeRoom(device, request.function));
}

function rejectTooLarge(cluster: Cluster, request: Request): void {
  const { id } = request.function;
  const isPinnedOut = cluster.devices.some((device) => request.mayRunOn(device));
  const reason = isPinnedOut
    ? `pinned functions leave no room for the weights of '${id}'`
    : `no device has room for the weights of '${id}'`;
  cluster.reject(request, "too-large", reason);
}

/** What waits, and can run nowhere since a budget, a device, a function or a pin changed: it would wait for ever. */
function rejectHomeless(cluster: Cluster, policy: PolicyAtWork): void {
  cluster.homesChecked();
  for (const request of [...cluster.requests.values()]) {
    if (request.state !== "waiting" || hasHome(cluster, request)) continue;
    rejectTooLarge(cluster, request);
    policy.withdrawn(request);
  }
}

function failed(cluster: Cluster, policy: PolicyAtWork, id: number, isRetried: boolean): void {
  const run = cluster.failed(id, isRetried);
  policy.ended?.(run, 0);
  for (const request of run.requests) {
    if (request.state !== "waiting") continue;
    if (!hasHome(cluster, request)) rejectTooLarge(cluster, request);
    else if (policy.returned === undefined) policy.arrived(request);
    else policy.returned(request);
  }
}

function removed(cluster: Cluster, policy: PolicyAtWork, fn: FunctionState | undefined): void {
  if (fn === undefined) return;
  cluster.removeFunction(fn);
  for (const request of [...cluster.requests.values()]) {
    if (request.function !== fn || request.state !== "waiting") continue;
    cluster.reject(request, "removed", `'${fn.id}' was removed`);
    policy.withdrawn(request);
  }
}

/** Of a function or a device that has gone meanwhile there is nothing to bring. */
function wanted(cluster: Cluster, id: string, functionId: string): void {
  const device = cluster.device(id);
  const fn = cluster.functions.get(functionId);
  if (fn === undefined || !device.isUp || device.holds(fn) || !fn.canRunOn(device)) return;
  if (fn.weightBytes <= device.freeBytes) cluster.load(device, fn);
}

type UnwantedEvent = Extract<SchedulerEvent, { readonly type: "unwanted" }>;

function unwanted(cluster: Cluster, policy: PolicyAtWork, event: UnwantedEvent): void {
  const device = cluster.device(event.device);
  const residence = device.residenceOf(event.function);
  if (residence === undefined || residence.isLeased || residence.isPinned) return;
  const { function: fn } = residence;
  if (fn.waiting > 0) return;
  cluster.evict(device, fn, event.reason);
  policy.evicted?.(device, fn);
}

type ResidenceEvent = Extract<SchedulerEvent, { readonly type: "loaded" | "load-failed" | "evicted" }>;

/** What has left meanwhile is not to be noted; how long a load took is, whoever had asked for it. */
function residenceChanged(cluster: Cluster, policy: PolicyAtWork, event: ResidenceEvent): void {
  const device = cluster.device(event.device);
  const residence = device.residenceOf(event.function);
  if (residence === undefined) {
    if (event.type === "loaded") cluster.loadSeen(device, event.function, event.loadMs);
    return;
  }
  const { function: fn } = residence;
  if (event.type === "loaded") {
    cluster.loaded(residence, event.loadMs);
    policy.loaded?.(device, fn);
    return;
  }
  if (event.type === "load-failed") cluster.loadFailed(residence);
  else cluster.evicted(residence);
  policy.evicted?.(device, fn);
}
