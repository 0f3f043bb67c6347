/**
 * The scheduler at work: calls become its events, its actions runs, loads and evictions on the devices. It decides
 * nothing by itself. What devices tell (weights that came and went, budgets, losses) the scheduler hears as well.
 */
import { getLogger } from "@logtape/logtape";
import type { DeviceSetListener } from "../devices/device-events.ts";
import type { DeviceSet } from "../devices/device-set.ts";
import { later } from "../devices/later.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { ProgramOwner } from "../devices/owner.ts";
import { Tenancy } from "../devices/tenancy.ts";
import type { RejectCause, SchedulerAction } from "../scheduler/core/actions.ts";
import type { Cluster } from "../scheduler/core/cluster.ts";
import { type EventLogHeader, type LineSink, withEventLog } from "../scheduler/core/event-log.ts";
import type { SchedulerEvent } from "../scheduler/core/events.ts";
import type { SchedulingPolicy } from "../scheduler/core/policy.ts";
import { createScheduler, type Scheduler } from "../scheduler/core/scheduler.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import { rejection, stopped } from "./rejection.ts";
import { ReplicaControl } from "./replica-control.ts";
import { RefusedHere, type ScheduledDevice } from "./scheduled-device.ts";
import { ScheduledMember } from "./scheduled-member.ts";
import { ScheduledUnits, type Unit } from "./scheduled-units.ts";
import { settle, type Waiting } from "./waiting-call.ts";

export interface DispatcherOptions {
  readonly devices: DeviceSet;
  /** CPU lanes; their indices follow those of the devices. */
  readonly lanes?: readonly ScheduledDevice[];
  readonly policy: SchedulingPolicy;
  /** Left out: nobody shares the devices. */
  readonly tenancy?: Tenancy;
  /** Gets all that the scheduler hears, for a replay. */
  readonly eventLog?: { readonly header: EventLogHeader; readonly sink: LineSink } | undefined;
  /** Hears of each call that comes, and of its end by what it is answered. */
  readonly onCall?: (owner: ProgramOwner, answer: Promise<unknown>) => void;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

type RunAction = Extract<SchedulerAction, { readonly type: "run" }>;

const log = getLogger(["dawnlet", "scheduler"]);

/** What the scheduler has decided so far. */
export interface DispatchCounts {
  /** On devices; fewer than calls where some ran together. */
  readonly runs: number;
  readonly calls: number;
  /** Weights that were brought onto a device before a call waited for them. */
  readonly loads: number;
  /** Weights that had to leave a device. */
  readonly evictions: number;
  readonly refused: Readonly<Record<RejectCause, number>>;
}

/** Calls in a row that found others of their function waiting, before a run that takes several is compiled. */
const callsBeforeBatch = 32;

export class Dispatcher implements DeviceSetListener {
  /** For the autoscaler. */
  readonly replicas: ReplicaControl;
  readonly #set: DeviceSet;
  /** By `index`. */
  readonly #devices: readonly ScheduledDevice[];
  readonly #scheduler: Scheduler;
  readonly #units: ScheduledUnits;
  readonly #onCall: DispatcherOptions["onCall"];
  readonly #now: () => number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #counts = { runs: 0, calls: 0, loads: 0, evictions: 0 };
  readonly #refused = { late: 0, "queue-full": 0, removed: 0, unknown: 0, "too-large": 0 };
  #lastRequest = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #isStopped = false;
  readonly #events: SchedulerEvent[] = [];
  #isStepping = false;

  constructor({
    devices,
    lanes = [],
    policy,
    tenancy = new Tenancy(),
    eventLog,
    onCall,
    now = () => performance.now(),
  }: DispatcherOptions) {
    this.#set = devices;
    this.#devices = [...devices.devices.map((member) => new ScheduledMember(devices, member)), ...lanes];
    this.#onCall = onCall;
    this.#now = now;
    const scheduler = createScheduler(policy);
    this.#scheduler = eventLog ? withEventLog(scheduler, eventLog.header, eventLog.sink) : scheduler;
    this.#units = new ScheduledUnits({ devices: this.#devices, hasLanes: lanes.length > 0, tenancy });
    this.replicas = new ReplicaControl({
      ...{ set: devices, units: this.#units, cluster: this.cluster },
      step: (event) => this.#step(event),
    });
    // Calls may come before the devices are up, and wait for them.
    for (const [index, { isUp }] of this.#devices.entries()) {
      this.up(index);
      if (!isUp) this.down(index);
    }
  }

  /** What the scheduler knows. To be read only. */
  get cluster(): Cluster {
    return this.#scheduler.cluster;
  }

  /** Calls that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  get counts(): DispatchCounts {
    return { ...this.#counts, refused: this.#refused };
  }

  /** @throws DawnletError as DeviceSet.run; DEADLINE_EXCEEDED where it would be late; QUEUE_FULL; what the signal says. */
  run(owner: ProgramOwner, call: DispatchedCall): Promise<ManagedRun> {
    if (call.signal?.aborted) return Promise.reject(call.signal.reason);
    if (this.#isStopped) return Promise.reject(stopped());
    const unit = this.#units.of(owner, call, (event) => this.#step(event));
    this.#wantBatch(unit, call);
    const { promise, resolve, reject } = Promise.withResolvers<ManagedRun>();
    this.#onCall?.(owner, promise);
    const id = ++this.#lastRequest;
    const now = this.#now();
    this.#waiting.set(id, { call, unit, arrivedAt: now, resolve, reject, isSettled: false });
    this.#step({ type: "arrival", request: this.#units.request(id, unit, call, now) });
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || call.signal === undefined) return promise;
    const { signal } = call;
    const onAbort = () => this.#cancel(id, signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** A function does without a Program. */
  forget(owner: ProgramOwner, program: string): void {
    // The scheduler hears first that it has left.
    for (const unit of this.#units.withProgram(program))
      if (unit.owner === owner) for (const device of this.#devices) device.forget(unit);
    for (const { id } of this.#units.remove(owner, program))
      this.#step({ type: "function-removed", function: id });
  }

  /** Settings of a function have changed. Calls that wait keep their deadline; a quota holds for them as well. */
  configured(owner: ProgramOwner): void {
    this.#units.configured(owner, (event) => this.#step(event));
  }

  /** Calls that wait are refused; what runs goes on. To be called before the devices are stopped. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const waiting of this.#waiting.values()) settle(waiting, () => waiting.reject(stopped()));
    this.#waiting.clear();
  }

  // --- What devices tell

  up(index: number): void {
    this.#step({ type: "device-up", device: this.#device(index).spec });
  }

  down(index: number): void {
    this.#step({ type: "device-down", device: this.#device(index).id });
  }

  budget(index: number, bytes: number): void {
    this.#step({ type: "budget", device: this.#device(index).id, bytes });
  }

  resident(index: number, program: string): void {
    for (const unit of this.#units.withProgram(program))
      this.#step({ type: "resident", device: this.#device(index).id, function: unit.id });
  }

  pinned(program: string): void {
    for (const unit of [...this.#units.withProgram(program)]) this.configured(unit.owner);
  }

  loadMeasured(index: number, program: string, _bytes: number, loadMs: number): void {
    for (const unit of this.#units.withProgram(program))
      this.#step({ type: "loaded", device: this.#device(index).id, function: unit.id, loadMs });
  }

  evicted(index: number, program: string): void {
    for (const unit of this.#units.withProgram(program))
      if (!this.#device(index).holds(unit))
        this.#step({ type: "evicted", device: this.#device(index).id, function: unit.id });
  }

  // --- Private

  /** Where calls have waited for each other for a while, a run that takes several is worth its compilation. */
  #wantBatch(unit: Unit, { prepared: { batch } }: DispatchedCall): void {
    if (batch === undefined || batch.group.maxRows < 2 || batch.group.readySizes() === "any") return;
    const waiting = this.#scheduler.cluster.functions.get(unit.id)?.waiting ?? 0;
    unit.crowdedCalls = waiting === 0 ? 0 : unit.crowdedCalls + 1;
    if (unit.crowdedCalls < callsBeforeBatch) return;
    const rows = Math.min(batch.group.maxRows, waiting + batch.rows);
    if (rows > 1 && batch.group.sizeFor(rows) === undefined) void batch.group.want(rows);
  }

  #device(index: number): ScheduledDevice {
    return this.#devices[index]!;
  }

  #deviceOf(id: string): ScheduledDevice {
    return this.#devices.find((one) => one.id === id)!;
  }

  /** What is told while actions are carried out comes after them. */
  #step(event: SchedulerEvent): void {
    if (this.#isStopped) return;
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift())
        for (const action of this.#scheduler.step(next, this.#now())) this.#do(action);
    } finally {
      this.#isStepping = false;
    }
  }

  #do(action: SchedulerAction): void {
    switch (action.type) {
      case "run":
        this.#run(action);
        break;
      case "load":
        this.#load(action.device, action.function);
        break;
      case "evict":
        this.#evict(action);
        break;
      case "reject":
        this.#reject(action);
        break;
      case "wake":
        this.#wake(action.at);
        break;
      default:
        action satisfies never;
    }
  }

  #run(action: RunAction): void {
    const members = this.#admitted(action);
    if (members.length === 0) {
      this.#step({ type: "failed", run: action.run, isRetried: false });
      return;
    }
    this.#counts.runs++;
    this.#counts.calls += members.length;
    const device = this.#deviceOf(action.device);
    const startedAt = this.#now();
    const urgencyMs = action.due === undefined ? undefined : Math.max(0, action.due - startedAt);
    const standing = { urgencyMs, share: action.share };
    const { unit } = members[0]!;
    const calls = members.map(({ call }) => call);
    const runs = device.run(unit, calls, standing);
    let gpuMs = 0;
    const settled = runs.map((run, i) =>
      run.then(
        (done) => {
          gpuMs += done.timing.gpuMs;
          const member = members[i]!;
          const waitMs = (done.waitMs ?? 0) + startedAt - member.arrivedAt;
          settle(member, () => member.resolve({ ...done, waitMs }));
          return true;
        },
        (error: unknown) => {
          const member = members[i]!;
          if (error instanceof RefusedHere) this.#runElsewhere(member);
          else settle(member, () => member.reject(error));
          return false;
        },
      ),
    );
    void Promise.all(settled).then((ended) => {
      const tell = (event: SchedulerEvent) => {
        this.#step(event);
        this.#lookFor(unit, device);
      };
      if (ended.every(Boolean)) tell({ type: "ended", run: action.run, runMs: gpuMs });
      // Whoever called hears of it before others run: those may not be to run any more.
      else setTimeout(() => tell({ type: "failed", run: action.run, isRetried: false }));
    });
  }

  /** What a lane did not run after all; its unit may not come there again. */
  #runElsewhere(waiting: Waiting): void {
    const { unit, arrivedAt } = waiting;
    this.#units.refused(unit.cpuModel, (event) => this.#step(event));
    if (this.#isStopped) {
      settle(waiting, () => waiting.reject(stopped()));
      return;
    }
    const startedAt = this.#now();
    this.#runUnscheduled(waiting).then(
      (done) => {
        const waitMs = (done.waitMs ?? 0) + startedAt - arrivedAt;
        settle(waiting, () => waiting.resolve({ ...done, waitMs }));
      },
      (error: unknown) => settle(waiting, () => waiting.reject(error)),
    );
  }

  /** On whichever device of the set it likes, at once. */
  #runUnscheduled({ unit, call }: Waiting): Promise<ManagedRun> {
    const { program, inputs, keep } = call.prepared;
    return this.#set.run(unit.owner, program, inputs, { keep, signal: call.signal });
  }

  /** Those of its calls that are still to run. */
  #admitted({ requests }: RunAction): readonly Waiting[] {
    const members = requests.map((id) => this.#waiting.get(id)!);
    for (const id of requests) this.#waiting.delete(id);
    return members.filter((member) => {
      const refusal = member.call.refusal?.();
      if (refusal !== undefined) settle(member, () => member.reject(refusal));
      return refusal === undefined;
    });
  }

  /**
   * The scheduler takes no note of weights that leave a device while it believes them in use, and it hears of a run's end
   * some microtasks after the device has: what went between the two, or ran elsewhere as there was no room, is told here.
   * So is what the device has had all along (its runs for others kept it): nothing came in that it could tell of.
   */
  #lookFor(unit: Unit, device: ScheduledDevice): void {
    const at = { device: device.id, function: unit.id };
    if (!device.holds(unit)) {
      this.#step({ type: "evicted", ...at });
      return;
    }
    const believed = this.cluster.device(device.id).residenceOf(unit.id);
    if (believed?.state === "loading" && !believed.isLeased) this.#step({ type: "loaded", ...at });
  }

  #load(device: string, id: string): void {
    this.#counts.loads++;
    const unit = this.#units.get(id);
    const target = this.#deviceOf(device);
    target.load(unit).then(
      () => {
        if (target.holds(unit)) this.#step({ type: "loaded", device, function: id });
        else this.#step({ type: "load-failed", device, function: id });
      },
      (error: unknown) => {
        if (error instanceof RefusedHere) this.#units.refused(unit.cpuModel, (event) => this.#step(event));
        log.debug("{function} was not loaded on {device}: {error}", { function: unit.name, device, error });
        this.#step({ type: "load-failed", device, function: id });
      },
    );
  }

  #evict({ device, function: id, reason }: Extract<SchedulerAction, { readonly type: "evict" }>): void {
    this.#counts.evictions++;
    // Of one that was removed, the device lets go by itself once nothing uses its weights any more.
    const unit = this.#units.find(id);
    if (unit !== undefined) this.#deviceOf(device).evict(unit, reason);
  }

  #reject({ request, cause, reason }: Extract<SchedulerAction, { readonly type: "reject" }>): void {
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) return;
    this.#waiting.delete(request);
    this.#refused[cause]++;
    const { unit, resolve, reject } = waiting;
    // What a device says of what it cannot hold is more exact, and it may know better.
    if (cause === "too-large") {
      this.#runUnscheduled(waiting).then(resolve, reject);
      return;
    }
    reject(rejection(unit.name, cause, reason));
  }

  #cancel(id: number, reason: unknown): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    settle(waiting, () => waiting.reject(reason));
    this.#step({ type: "cancelled", request: id });
  }

  #wake(at: number): void {
    if (at >= this.#wakeAt) return;
    this.#wakeAt = at;
    clearTimeout(this.#timer);
    this.#timer = later(Math.max(0, at - this.#now()), () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      // Timers leave fractions of a millisecond out; a tick before its time would be the last.
      if (this.#now() < at) this.#wake(at);
      else this.#step({ type: "tick" });
    });
  }
}
