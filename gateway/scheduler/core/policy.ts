/**
 * What a scheduling policy is: it hears of requests, keeps them in an order of its own, and gives them to devices
 * through the cluster's commands, which refuse what must never be. It has no clock and no randomness.
 */
import type { Cluster } from "./cluster.ts";
import type { DeviceState } from "./device-state.ts";
import type { FunctionState } from "./function-state.ts";
import type { Request, Run } from "./request.ts";

export interface SchedulingPolicy {
  readonly name: string;
  /** What devices can do under it, for estimates and simulation. */
  readonly traits: PolicyTraits;
  /** @returns the policy at work on one cluster, with queues of its own. */
  start(cluster: Cluster): PolicyAtWork;
}

export interface PolicyTraits {
  /** A run begins while its weights come in. */
  readonly overlapsLoads: boolean;
  /** Several runs at a time on a device, side by side. */
  readonly sharesSpace: boolean;
  /**
   * What it means to come in: `swap`, into a process that is there, which takes as long as the bytes do; `process`, a
   * process of its own is started first, which takes `coldStartMs` more. Left out: `swap`.
   */
  readonly coldStart?: "swap" | "process";
  /**
   * From another device of the node that holds the same weights, without the bus. Left out: not possible, as by WebGPU;
   * for published systems that count on it.
   */
  readonly peerBytesPerMs?: number;
}

/** Each method may give commands; `advance` comes after every event, last. */
export interface PolicyAtWork {
  /** A request that can run somewhere. It is the policy's to run it, once. */
  arrived(request: Request): void;
  /** It waits again: its device was lost. Left out: as `arrived`. */
  returned?(request: Request): void;
  /** One that waited waits no more. */
  withdrawn(request: Request): void;
  ended?(run: Run, runMs: number): void;
  loaded?(device: DeviceState, fn: FunctionState): void;
  evicted?(device: DeviceState, fn: FunctionState): void;
  deviceUp?(device: DeviceState): void;
  deviceDown?(device: DeviceState): void;
  /** Where functions may be has changed, by a new spec of this one: its weights, the devices that it refuses, a pin, a quota. */
  functionChanged?(fn: FunctionState): void;
  budgetChanged?(device: DeviceState): void;
  /** Uses what has become free. */
  advance(now: number): void;
}
