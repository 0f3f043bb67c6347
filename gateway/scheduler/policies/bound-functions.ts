/**
 * Functions that are given a device when they are first seen, and keep it: what policies have in common under which
 * functions do not move. The device stays theirs while it can hold them at all; of a function that was removed it is free
 * again.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { FunctionQueues } from "./function-queues.ts";
import { inTurn } from "./in-turn.ts";

/** Whether the function can have the device beside those that have it. */
export type Fits = (device: DeviceState, fn: FunctionState, others: readonly FunctionState[]) => boolean;

export class BoundFunctions {
  readonly #cluster: Cluster;
  readonly #fits: Fits;
  readonly #isInTurn: boolean;
  readonly #deviceOf = new WeakMap<FunctionState, DeviceState>();
  readonly #boundTo = new Map<DeviceState, Set<FunctionState>>();
  #lastUsed = -1;

  /** @param order of the devices that are tried: from the one after the last one given, or always from the first. */
  constructor(cluster: Cluster, fits: Fits, order: "in turn" | "first fit") {
    this.#cluster = cluster;
    this.#fits = fits;
    this.#isInTurn = order === "in turn";
  }

  /** @returns undefined where it has none and none fits. */
  deviceOf(fn: FunctionState): DeviceState | undefined {
    const bound = this.#deviceOf.get(fn);
    if (bound?.canHold(fn)) return bound;
    if (bound !== undefined) this.#boundTo.get(bound)?.delete(fn);
    const device = inTurn(this.#cluster.devices, this.#isInTurn ? this.#lastUsed : -1).find(
      (one) => one.canHold(fn) && this.#fits(one, fn, this.#functionsOf(one)),
    );
    if (device === undefined) {
      this.#deviceOf.delete(fn);
      return undefined;
    }
    this.#lastUsed = device.index;
    this.#deviceOf.set(fn, device);
    this.#boundTo.get(device)!.add(fn);
    return device;
  }

  #functionsOf(device: DeviceState): readonly FunctionState[] {
    let functions = this.#boundTo.get(device);
    if (functions === undefined) {
      functions = new Set();
      this.#boundTo.set(device, functions);
    }
    for (const fn of functions) if (fn.isRemoved) functions.delete(fn);
    return [...functions];
  }
}

/** Whether their weights have room there, all at a time. */
export const fitsMemory: Fits = (device, fn, others) =>
  others.reduce((sum, other) => sum + device.bytesOf(other), device.bytesOf(fn)) <= device.budgetBytes;

/**
 * Rejects what waits for a function and can never run on the one device that it has: the first ones of its queue, up to
 * one that can.
 * @param device undefined where it has none, for that reason.
 */
export function rejectElsewhere(
  cluster: Cluster,
  queues: FunctionQueues,
  fn: FunctionState,
  device: DeviceState | undefined,
  reason: string,
): void {
  for (const request of queues.of(fn)) {
    if (device !== undefined && request.mayRunOn(device)) return;
    queues.remove(request);
    cluster.reject(
      request,
      "too-large",
      device === undefined ? reason : `its inputs are not on '${device.id}', where '${fn.id}' runs`,
    );
  }
}
