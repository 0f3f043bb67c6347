/**
 * The default policy. A request goes to the queue of the device that is expected to answer it first, waiting, loading and
 * running considered, and what others lose by its coming in (placement.ts). A device takes from its queue what is due
 * first (due.ts), as many of one function together as pays (batch-size.ts), and brings weights in while it computes. One
 * that runs dry steals (stealing.ts). So hot weights stay where they are, and get copies where one device is not enough.
 * Quotas (quota-meter.ts) and shares of tenants (tenant-shares.ts) move what is due.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { DeviceState } from "../../core/device-state.ts";
import type { PolicyAtWork, PolicyTraits, SchedulingPolicy } from "../../core/policy.ts";
import type { Request, Run } from "../../core/request.ts";
import { takeBatch } from "./batch-size.ts";
import { DeviceQueue, type Flow } from "./device-queue.ts";
import { byExpectedLoad, displacementFor } from "./displacement.ts";
import { bestPlace, type PlacementContext } from "./placement.ts";
import { QuotaMeter } from "./quota-meter.ts";
import { Replication } from "./replication.ts";
import { bestToSteal } from "./stealing.ts";
import { TenantShares } from "./tenant-shares.ts";

export interface DeadlineOptions {
  readonly traits?: PolicyTraits;
  /** Requests that may wait. */
  readonly queueLimit?: number;
}

const bestTraits: PolicyTraits = { overlapsLoads: true, sharesSpace: true };

export const deadline = deadlineWith({});

export function deadlineWith({
  traits = bestTraits,
  queueLimit = 100_000,
}: DeadlineOptions): SchedulingPolicy {
  return { name: "deadline", traits, start: (cluster) => new DeadlinePolicy(cluster, queueLimit) };
}

/** Loads at a time on a device: more share its bandwidth, and all are later. */
const maxLoads = 2;
/** How long weights stay, before any had to go. */
const firstStayMs = 60_000;
/** Of one eviction in the mean of how long weights stay. */
const stayShare = 0.02;

class DeadlinePolicy implements PolicyAtWork {
  readonly #cluster: Cluster;
  readonly #queueLimit: number;
  readonly #queues = new Map<DeviceState, DeviceQueue>();
  /** Where anybody waits. */
  readonly #waiting = new Set<DeviceQueue>();
  readonly #flows = new Map<Request, Flow>();
  /** No device is up that could take them. */
  readonly #homeless = new Set<Request>();
  readonly #quotas = new QuotaMeter();
  readonly #tenants = new TenantShares();
  readonly #replication: Replication;
  /** Devices for which something has changed. */
  readonly #touched = new Set<DeviceState>();
  readonly #context: PlacementContext & { stayMs: number };
  #turn = 0;

  constructor(cluster: Cluster, queueLimit: number) {
    this.#cluster = cluster;
    this.#queueLimit = queueLimit;
    this.#replication = new Replication(cluster);
    this.#context = { cluster, queueOf: (device) => this.#queueOf(device), stayMs: firstStayMs };
  }

  arrived(request: Request): void {
    if (this.#flows.size >= this.#queueLimit) {
      this.#cluster.reject(request, "queue-full", `${this.#flows.size} requests wait already`);
      return;
    }
    this.#tenants.waits(request.function);
    this.#assign(request, request.refuseLate);
  }

  returned(request: Request): void {
    this.#tenants.waits(request.function);
    this.#assign(request, false);
  }

  withdrawn(request: Request): void {
    this.#take(request);
  }

  ended(run: Run, runMs: number): void {
    const { device, function: fn } = run;
    const now = this.#cluster.now;
    this.#quotas.charge(device, fn, runMs - run.runMs, now);
    this.#tenants.serve(fn, runMs - run.runMs);
    this.#touched.add(device);
  }

  loaded(device: DeviceState): void {
    this.#touched.add(device);
  }

  evicted(device: DeviceState): void {
    this.#touched.add(device);
  }

  deviceUp(device: DeviceState): void {
    this.#touched.add(device);
    for (const request of this.#homeless) {
      this.#homeless.delete(request);
      this.#assign(request, false);
    }
  }

  /** What waits for it goes elsewhere, where that is possible. */
  deviceDown(device: DeviceState): void {
    const queue = this.#queueOf(device);
    for (const flow of [...queue.flows.values()])
      for (const request of [...flow.requests]) {
        this.#unqueue(request, flow);
        this.#assign(request, false);
      }
  }

  advance(now: number): void {
    for (const device of this.#touched) this.#fill(device, now);
    if (this.#flows.size > 0) this.#steal(now);
    this.#touched.clear();
    this.#replication.advance(now);
  }

  #assign(request: Request, mustBeInTime: boolean): void {
    this.#turn++;
    const place = bestPlace(this.#context, request, this.#turn);
    if (place === undefined) {
      this.#homeless.add(request);
      return;
    }
    const { device, answeredAt } = place;
    if (mustBeInTime && request.deadline !== undefined && answeredAt > request.deadline) {
      this.#tenants.waitsNoMore(request.function);
      this.#cluster.reject(request, "late", lateReason(request, answeredAt - this.#cluster.now));
      return;
    }
    const queue = this.#queueOf(device);
    const flow = queue.add(request);
    this.#flows.set(request, flow);
    this.#waiting.add(queue);
    this.#touched.add(device);
  }

  /** Gives a device what it can take now. */
  #fill(device: DeviceState, now: number): void {
    const queue = this.#queueOf(device);
    const stuck = new Set<Flow>();
    while (queue.size > stuck.size && device.isUp) {
      const flow = this.#next(queue, stuck, now);
      if (flow === undefined) return;
      if (!this.#start(flow, device, now)) stuck.add(flow);
    }
  }

  /** The flow that is due first of those that the device has a place for. @param stuck those without room. */
  #next(queue: DeviceQueue, stuck: ReadonlySet<Flow>, now: number): Flow | undefined {
    const { device } = queue;
    const canLoad = device.loads < maxLoads;
    const hasPlace = this.#hasPlace(device, now);
    let next: Flow | undefined;
    let nextDue = Number.POSITIVE_INFINITY;
    for (const flow of queue.flows.values()) {
      const { function: fn } = flow;
      if (stuck.has(flow)) continue;
      const residence = device.residences.get(fn);
      if (residence === undefined ? !canLoad : !hasPlace) continue;
      const allowedAt = this.#quotas.allowedAt(device, fn, now);
      if (allowedAt > now) {
        this.#cluster.wake(allowedAt);
        continue;
      }
      const isOwed = this.#quotas.isBelowRequest(device, fn, now);
      const due = (isOwed ? now : flow.dueAt(now)) + this.#tenants.penaltyMs(fn);
      if (due >= nextDue) continue;
      next = flow;
      nextDue = due;
    }
    return next;
  }

  /**
   * While a part of the device is idle (without sharing: while nothing runs), or it has less work than it should have before
   * it. Who waits for weights does not count.
   */
  #hasPlace(device: DeviceState, now: number): boolean {
    if (device.backlogMs(now) < (device.spec.aheadMs ?? 0)) return true;
    let filled = 0;
    for (const run of device.runs) {
      if (device.residences.get(run.function)!.state === "loading") continue;
      filled += run.function.occupancy;
    }
    return filled === 0 || (this.#cluster.traits.sharesSpace && filled < fullFrom);
  }

  /** @returns false where there is no room now. */
  #start(flow: Flow, device: DeviceState, now: number): boolean {
    const { function: fn } = flow;
    if (!this.#makeRoom(device, flow, now)) return false;
    const batch = takeBatch(flow, device, now);
    for (const request of batch) this.#take(request);
    const run = this.#cluster.run(device, batch);
    this.#quotas.charge(device, fn, run.runMs, now);
    this.#tenants.serve(fn, run.runMs);
    return true;
  }

  #makeRoom(device: DeviceState, { function: fn, queue }: Flow, now: number): boolean {
    if (device.holds(fn)) return true;
    const found = displacementFor(device, fn, this.#context.stayMs, (one) => queue.flows.has(one.function));
    if (found === undefined) return false;
    for (const victim of found.victims) {
      this.#context.stayMs += stayShare * (now - victim.loadedAtMs - this.#context.stayMs);
      this.#cluster.evict(
        device,
        victim.function,
        `${byExpectedLoad.explain(victim, now)}; '${fn.id}' comes in`,
      );
    }
    return true;
  }

  /** Those that have just become idle try it, and of the others one after another. */
  #steal(now: number): void {
    for (const device of this.#touched) this.#stealFor(device, now);
    const { devices } = this.#cluster;
    this.#stealFor(devices[this.#turn++ % devices.length]!, now);
  }

  #stealFor(thief: DeviceState, now: number): void {
    if (!thief.isIdle || this.#queueOf(thief).size > 0) return;
    const flow = bestToSteal(this.#context, thief, this.#waiting);
    if (flow === undefined) return;
    const request = flow.requests.at(-1)!;
    this.#unqueue(request, flow);
    this.#flows.set(request, this.#queueOf(thief).add(request));
    this.#waiting.add(this.#queueOf(thief));
    this.#fill(thief, now);
  }

  #take(request: Request): void {
    this.#tenants.waitsNoMore(request.function);
    if (this.#homeless.delete(request)) return;
    const flow = this.#flows.get(request);
    if (flow !== undefined) this.#unqueue(request, flow);
  }

  #unqueue(request: Request, flow: Flow): void {
    const { queue } = flow;
    queue.remove(flow, request);
    this.#flows.delete(request);
    if (queue.size === 0) this.#waiting.delete(queue);
  }

  #queueOf(device: DeviceState): DeviceQueue {
    let queue = this.#queues.get(device);
    if (queue === undefined) {
      queue = new DeviceQueue(device);
      this.#queues.set(device, queue);
    }
    return queue;
  }
}

/** A device is full where its runs fill this part of it: more would slow each other down and gain nothing. */
const fullFrom = 0.98;

function lateReason({ deadline, arrivedAt }: Request, answerMs: number): string {
  const ms = (value: number) => `${Math.max(0, value).toFixed(0)} ms`;
  return `an answer is expected in ${ms(answerMs)}, and was to come within ${ms(deadline! - arrivedAt)}`;
}
