/**
 * Where a request is answered first: what waits and runs on a device, what its weights take to come in, and what others
 * lose for them. Late is worse than slow, and slow is worse than nothing.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";
import { canMakeRoom } from "../../core/make-room.ts";
import type { Request } from "../../core/request.ts";
import type { EvictionPolicy } from "../../eviction/policy.ts";
import type { DeviceQueue } from "./device-queue.ts";
import { displacementFor } from "./displacement.ts";
import { lateWeight } from "./due.ts";

export interface Place {
  readonly device: DeviceState;
  /** Expected point in time of the answer. */
  readonly answeredAt: number;
  /** `answeredAt`, with what others lose, and lateness many times. */
  readonly cost: number;
}

export interface PlacementContext {
  readonly cluster: Cluster;
  readonly queueOf: (device: DeviceState) => DeviceQueue;
  /** When a quota lets a function run there: now, or later. */
  readonly allowedAt: (device: DeviceState, fn: FunctionState) => number;
  /** How long weights stay on a device as a rule. */
  readonly stayMs: number;
  /** Who leaves first. */
  readonly eviction: EvictionPolicy;
}

/** A millisecond of loading costs neighbours so many, where the bus is busy half of the time. */
const busWeight = 6;
/** Beyond it the bus is taken for as busy as this. */
const mostUtilisation = 0.9;
/** Devices without the weights that are looked at, of many: the best of so many is near the best of all. */
const looked = 16;

/**
 * The best of the devices that hold the weights and of some others.
 * @param turn for which others are looked at, where there are many: another each time.
 * @returns undefined where none is up that could take it.
 */
export function bestPlace(context: PlacementContext, request: Request, turn: number): Place | undefined {
  const { cluster } = context;
  const { function: fn, boundTo } = request;
  let best: Place | undefined;
  const consider = (device: DeviceState) => {
    if (!device.isUp || !request.mayRunOn(device)) return;
    const place = placeOn(context, request, device, best?.cost ?? Number.POSITIVE_INFINITY);
    if (place !== undefined) best = place;
  };
  if (boundTo !== undefined) {
    consider(boundTo);
    return best;
  }
  const soonest = cluster.now + cluster.fastestMs(fn, request.rows);
  for (const device of fn.holders) {
    consider(device);
    // Idle, with the weights: of a thousand that hold them none is better.
    if (best !== undefined && best.cost <= soonest) return best;
  }
  const { devices } = cluster;
  const count = Math.min(looked, devices.length);
  for (let i = 0; i < count; i++) {
    const device = devices[(turn + i) % devices.length]!;
    if (!fn.holders.has(device)) consider(device);
  }
  return best;
}

/** @returns undefined where it costs as much as `below` or more, or there can be no room. */
export function placeOn(
  context: PlacementContext,
  request: Request,
  device: DeviceState,
  below: number,
): Place | undefined {
  const { cluster, queueOf, allowedAt } = context;
  const { now } = cluster;
  const { function: fn, deadline } = request;
  const queue = queueOf(device);
  const residence = device.residences.get(fn);
  const runMs = runMsBeside(queue, request);
  const queuedMs = queue.waitMs(now, request);
  const waitMs = Math.max(queuedMs, allowedAt(device, fn) - now);
  let loadMs = 0;
  if (residence === undefined)
    loadMs = device.loadedInMs(queue.loadWaitMs + (queue.flows.has(fn) ? 0 : device.aloneLoadMs(fn)));
  else if (residence.state === "loading") loadMs = Math.max(0, residence.loadEndsAt - now);
  const answeredAt = device.endOfRun(fn, request.rows, now + waitMs, now + loadMs, runMs);
  const lateMs = deadline === undefined ? 0 : Math.max(0, answeredAt - deadline);
  const ownCost = answeredAt + lateWeight * lateMs;
  if (ownCost >= below) return undefined;
  if (residence !== undefined || queue.flows.has(fn)) return { device, answeredAt, cost: ownCost };
  const displacement = displacementFor(device, fn, context, (one) => queue.flows.has(one.function));
  if (displacement === undefined && !canMakeRoom(device, fn)) return undefined;
  // All is in use now; that passes, and others may have room.
  const lossMs = displacement?.lossMs ?? waitMs + runMs;
  const cost = ownCost + lossMs + neighboursLossMs(device, fn);
  return cost < below ? { device, answeredAt, cost } : undefined;
}

/** What it adds to a batch that waits there already, or takes alone. */
function runMsBeside({ device, flows }: DeviceQueue, { function: fn, batchKey, rows }: Request): number {
  const flow = fn.batchLimit > 1 && batchKey !== undefined ? flows.get(fn) : undefined;
  const all = flow === undefined ? rows : flow.rows + rows;
  if (flow === undefined || all > fn.batchLimit || flow.head.batchKey !== batchKey)
    return device.runMs(fn, rows);
  return Math.max(0, device.runMs(fn, all) - device.runMs(fn, flow.rows));
}

/** What those lose that load from the same bus meanwhile: the busier it is, the more. */
function neighboursLossMs(device: DeviceState, fn: FunctionState): number {
  const { bus, cluster } = device;
  if (bus.devices === 1) return 0;
  const utilisation = Math.min(mostUtilisation, bus.utilisation(cluster.now));
  return (busWeight * device.aloneLoadMs(fn) * utilisation) / (1 - utilisation);
}
