/**
 * The default policy. A request goes to the queue of the device that is expected to answer it first, waiting, loading and
 * running considered, and what others lose by its coming in (placement.ts). A device takes from its queue what is due
 * first (due.ts) while it has a place (places.ts), as many of one function together as pays (batch-size.ts), and brings
 * weights in while it computes. One that runs dry steals (stealing.ts). So hot weights stay where they are, and get copies
 * where one device is not enough. Quotas (quota-meter.ts) and shares of tenants (tenant-shares.ts) move what is due.
 */
import type { Cluster } from "../../core/cluster.ts";
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";
import { canMakeRoom } from "../../core/make-room.ts";
import type { PolicyAtWork, PolicyTraits, SchedulingPolicy } from "../../core/policy.ts";
import type { Request, Run } from "../../core/request.ts";
import type { Residence } from "../../core/residence.ts";
import { type Party, WaitingShares } from "../../core/waiting-shares.ts";
import type { EvictionPolicy } from "../../eviction/policy.ts";
import { takeBatch } from "./batch-size.ts";
import { DeviceQueue, type Flow } from "./device-queue.ts";
import { byExpectedLoad, displacementFor } from "./displacement.ts";
import { bestPlace, type PlacementContext } from "./placement.ts";
import { hasPlace, placesOn } from "./places.ts";
import { QuotaMeter } from "./quota-meter.ts";
import { Replication } from "./replication.ts";
import { bestToSteal } from "./stealing.ts";
import { TenantShares } from "./tenant-shares.ts";
import { Wakes } from "./wakes.ts";

export interface DeadlineOptions {
  readonly traits?: PolicyTraits;
  /** Requests that may wait; tenants share the places (waiting-shares.ts). */
  readonly queueLimit?: number;
  /** Who leaves a device first. Left out: whose going costs least. */
  readonly eviction?: EvictionPolicy;
}

const bestTraits: PolicyTraits = { overlapsLoads: true, sharesSpace: true };

export const deadline = deadlineWith({});

export function deadlineWith(options: DeadlineOptions): SchedulingPolicy {
  const { traits = bestTraits } = options;
  return { name: "deadline", traits, start: (cluster) => new DeadlinePolicy(cluster, options) };
}

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
  /** No device is up that could take them. They wait for a device, not for their share, and no tenant is measured by them. */
  readonly #homeless = new Set<Request>();
  /** All that wait: who makes way where more come than may wait. */
  readonly #places = new WaitingShares<Request>();
  readonly #quotas = new QuotaMeter();
  readonly #wakes: Wakes;
  readonly #tenants = new TenantShares();
  readonly #replication: Replication;
  /** Devices for which something has changed. */
  readonly #touched = new Set<DeviceState>();
  readonly #context: PlacementContext & { stayMs: number };
  /** Something has changed by which who is homeless may have a device. */
  #hasNewHomes = false;
  #turn = 0;

  constructor(cluster: Cluster, { queueLimit = 100_000, eviction = byExpectedLoad }: DeadlineOptions) {
    this.#cluster = cluster;
    this.#queueLimit = queueLimit;
    this.#wakes = new Wakes(cluster);
    this.#replication = new Replication(cluster);
    this.#context = {
      cluster,
      queueOf: (device) => this.#queueOf(device),
      allowedAt: (device, fn) => this.#quotas.allowedAt(device, fn, cluster.now),
      eviction,
      stayMs: firstStayMs,
    };
  }

  arrived(request: Request): void {
    const party = partyOf(request);
    const { size: waiting } = this.#places;
    const isFull = waiting >= this.#queueLimit;
    const displaced = isFull ? this.#places.displacedBy(party, this.#queueLimit) : undefined;
    if (isFull && displaced === undefined) {
      this.#cluster.reject(request, "queue-full", `${waiting} requests wait already`);
      return;
    }
    this.#places.add(request, party);
    this.#tenants.waits(request);
    this.#assign(request, request.refuseLate);
    // Nobody makes way for one that would be late.
    if (displaced === undefined || request.state !== "waiting") return;
    const reason = `${waiting} requests wait already, and a tenant that has fewer of them takes its place`;
    this.#cluster.reject(displaced, "queue-full", reason);
    this.#take(displaced);
  }

  returned(request: Request): void {
    this.#places.addAgain(request, partyOf(request));
    this.#tenants.waits(request);
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
    this.#touch(device);
    if (!device.holds(fn)) this.#hasNewHomes = true;
  }

  loaded(device: DeviceState, fn: FunctionState): void {
    this.#touch(device);
    if (!device.holds(fn)) this.#hasNewHomes = true;
  }

  evicted(device: DeviceState): void {
    this.#touch(device);
    this.#hasNewHomes = true;
  }

  deviceUp(device: DeviceState): void {
    this.#rehome(device, ({ function: fn }) => !device.canHold(fn));
    this.#touch(device);
    this.#hasNewHomes = true;
  }

  /** What waits for it goes elsewhere, where that is possible. */
  deviceDown(device: DeviceState): void {
    this.#rehome(device, () => true);
  }

  /** It may be pinned now, or not any more, where others wait. */
  functionChanged(fn: FunctionState): void {
    // Nothing of it is anywhere: it is new, as thousands are when a gateway begins.
    if (fn.holders.size === 0 && fn.waiting === 0) return;
    for (const device of this.#cluster.devices) {
      if (!device.canHold(fn)) this.#rehome(device, (flow) => flow.function === fn);
      this.#touch(device);
    }
    this.#hasNewHomes = true;
  }

  budgetChanged(device: DeviceState): void {
    this.#rehome(device, ({ function: fn }) => !device.canHold(fn));
    this.#touch(device);
    this.#hasNewHomes = true;
  }

  advance(now: number): void {
    for (const device of this.#wakes.due(now)) this.#touch(device);
    if (this.#hasNewHomes) this.#assignHomeless();
    for (const device of this.#touched) this.#fill(device, now);
    if (this.#flows.size > 0) this.#steal(now);
    this.#touched.clear();
    this.#replication.advance(now);
    this.#wakes.ask();
  }

  #assign(request: Request, mustBeInTime: boolean): void {
    this.#turn++;
    const place = bestPlace(this.#context, request, this.#turn);
    if (place === undefined) {
      this.#homeless.add(request);
      this.#tenants.waitsNoMore(request);
      return;
    }
    const { device, answeredAt } = place;
    if (mustBeInTime && request.deadline !== undefined && answeredAt > request.deadline) {
      this.#tenants.waitsNoMore(request);
      this.#places.remove(request);
      this.#cluster.reject(request, "late", lateReason(request, answeredAt - this.#cluster.now));
      return;
    }
    const queue = this.#queueOf(device);
    const flow = queue.add(request, this.#cluster.now);
    this.#flows.set(request, flow);
    this.#waiting.add(queue);
    this.#touch(device);
  }

  /** Those that still have no device are homeless again. */
  #assignHomeless(): void {
    this.#hasNewHomes = false;
    const homeless = [...this.#homeless];
    this.#homeless.clear();
    for (const request of homeless) {
      this.#tenants.waits(request);
      this.#assign(request, false);
    }
  }

  /** Has flows of a device go elsewhere. */
  #rehome(device: DeviceState, isMeant: (flow: Flow) => boolean): void {
    for (const flow of [...this.#queueOf(device).flows.values()]) {
      if (!isMeant(flow)) continue;
      const requests = [...flow.requests];
      for (const request of requests) this.#unqueue(request, flow);
      for (const request of requests) this.#assign(request, false);
    }
  }

  /** Has it looked at, again where it has been. */
  #touch(device: DeviceState): void {
    this.#touched.delete(device);
    this.#touched.add(device);
  }

  /** Gives a device what it can take now. */
  #fill(device: DeviceState, now: number): void {
    this.#wakes.forget(device);
    const queue = this.#queueOf(device);
    const stuck = new Set<Flow>();
    while (queue.size > stuck.size && device.isUp) {
      const flow = this.#next(queue, stuck, now);
      if (flow === undefined) return;
      if (this.#start(flow, device, now)) continue;
      if (canMakeRoom(device, flow.function)) stuck.add(flow);
      else this.#rehome(device, (one) => one === flow);
    }
  }

  /** The flow that is due first of those that the device has a place for. @param stuck those without room. */
  #next(queue: DeviceQueue, stuck: ReadonlySet<Flow>, now: number): Flow | undefined {
    const { device } = queue;
    const loadableAt = lastLoadEnd(device, now);
    const { hasCopyEngine = true } = device.spec;
    const places = placesOn(device, now);
    let next: Flow | undefined;
    let nextAt = Number.POSITIVE_INFINITY;
    let nextDue = Number.POSITIVE_INFINITY;
    for (const flow of queue.flows.values()) {
      const { function: fn } = flow;
      if (stuck.has(flow)) continue;
      const residence = device.residences.get(fn);
      // Where nothing copies but what computes, a load takes its turn as a run does.
      if ((residence !== undefined || !hasCopyEngine) && !hasPlace(flow, places, now)) {
        if (residence !== undefined) this.#wakes.note(device, places.behindAt);
        continue;
      }
      if (residence !== undefined && isAwaited(residence)) continue;
      const allowedAt = Math.max(
        this.#quotas.allowedAt(device, fn, now),
        residence === undefined ? loadableAt : now,
      );
      if (allowedAt > now) {
        this.#wakes.note(device, allowedAt);
        continue;
      }
      const isOwed = this.#quotas.isBelowRequest(device, fn, now);
      const due = isOwed ? Number.NEGATIVE_INFINITY : flow.dueAt(now);
      // What is overdue is due now: else a tenant with an old backlog would be ahead of others by its age.
      const at = Math.max(now, due) + this.#tenants.penaltyMs(fn);
      if (at > nextAt || (at === nextAt && due >= nextDue)) continue;
      next = flow;
      nextAt = at;
      nextDue = due;
    }
    return next;
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
    const found = displacementFor(device, fn, this.#context, (one) => queue.flows.has(one.function));
    if (found === undefined) return false;
    for (const victim of found.victims) {
      this.#context.stayMs += stayShare * (now - victim.loadedAtMs - this.#context.stayMs);
      this.#cluster.evict(
        device,
        victim.function,
        `${this.#context.eviction.explain(victim, now)}; '${fn.id}' comes in`,
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
    this.#flows.set(request, this.#queueOf(thief).add(request, now));
    this.#waiting.add(this.#queueOf(thief));
    this.#fill(thief, now);
  }

  #take(request: Request): void {
    this.#places.remove(request);
    if (this.#homeless.delete(request)) return;
    this.#tenants.waitsNoMore(request);
    this.#unqueue(request, this.#flows.get(request)!);
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

function partyOf({ function: { spec } }: Request): Party {
  return { tenant: spec.tenant, weight: spec.tenantWeight };
}

/**
 * A run of it waits for its weights already: others would be at the device before their turn, and alone. They wait here,
 * where they are put in order, go together, and can be stolen.
 */
function isAwaited({ state, leases, isAhead }: Residence): boolean {
  return state === "loading" && leases > (isAhead ? 1 : 0);
}

/**
 * When a device may load next: one at a time. Several would share the bus and all be later; and what has not begun takes
 * nobody's place yet, and lets by what is due before it.
 */
function lastLoadEnd(device: DeviceState, now: number): number {
  let endsAt = now;
  if (device.loads === 0) return endsAt;
  for (const { state, loadEndsAt } of device.residences.values())
    if (state === "loading") endsAt = Math.max(endsAt, loadEndsAt);
  return endsAt;
}

function lateReason({ deadline, arrivedAt }: Request, answerMs: number): string {
  const ms = (value: number) => `${Math.max(0, value).toFixed(0)} ms`;
  return `an answer is expected in ${ms(answerMs)}, and was to come within ${ms(deadline! - arrivedAt)}`;
}
