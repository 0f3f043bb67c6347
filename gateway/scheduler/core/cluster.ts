/**
 * The state of a scheduler, and the commands by which a policy changes it. A command that would break a rule (evict what
 * is leased, exceed a budget, run a request twice) throws: no policy can. What was commanded becomes actions.
 */
import type { RejectCause, SchedulerAction } from "./actions.ts";
import { Bus } from "./bus.ts";
import { DeviceState } from "./device-state.ts";
import { FunctionState } from "./function-state.ts";
import { ClassLoadRates } from "./load-rates.ts";
import type { PolicyTraits } from "./policy.ts";
import { Request, type Run } from "./request.ts";
import { Residence } from "./residence.ts";
import type { DeviceSpec, FunctionSpec, RequestSpec } from "./specs.ts";

export class Cluster {
  /** Of the event that is being heard. */
  now = 0;
  readonly traits: PolicyTraits;
  readonly functions = new Map<string, FunctionState>();
  /** In the order in which they came first. */
  readonly devices: DeviceState[] = [];
  /** Those without an end. */
  readonly requests = new Map<number, Request>();
  readonly runs = new Map<number, Run>();
  readonly #devicesById = new Map<string, DeviceState>();
  readonly #buses = new Map<string, Bus>();
  /** By class of devices: of each that there is or was. */
  readonly #loadRates = new Map<string, ClassLoadRates>();
  #actions: SchedulerAction[] = [];
  #homesMayBeGone = false;
  #lastRun = 0;
  #lastRequest = Number.NEGATIVE_INFINITY;

  constructor(traits: PolicyTraits) {
    this.traits = traits;
  }

  device(id: string): DeviceState {
    return found(this.#devicesById.get(id), "device", id);
  }

  function(id: string): FunctionState {
    return found(this.functions.get(id), "function", id);
  }

  /** Median time of a run on the class of devices that is fastest for it; no device can do it in less as a rule. */
  fastestMs(fn: FunctionState, rows: number): number {
    let fastestMs = Number.POSITIVE_INFINITY;
    for (const one of this.#loadRates.keys())
      if (!fn.isRefusedBy(one)) fastestMs = Math.min(fastestMs, fn.times(one).median(rows));
    return fastestMs;
  }

  /** Made on first use: devices of a class share it. */
  loadRates(deviceClass: string): ClassLoadRates {
    let rates = this.#loadRates.get(deviceClass);
    if (rates === undefined) {
      rates = new ClassLoadRates();
      this.#loadRates.set(deviceClass, rates);
    }
    return rates;
  }

  /** What was commanded since the last time. */
  takeActions(): readonly SchedulerAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** Whether what waits may have lost its last device to what is pinned, since this was taken note of. */
  get homesMayBeGone(): boolean {
    return this.#homesMayBeGone;
  }

  homesChecked(): void {
    this.#homesMayBeGone = false;
  }

  // --- Commands of policies

  /**
   * Gives requests of one function to a device, which loads its weights where they are not there.
   * @param requests that wait, and may go together.
   * @param share part of the device that the run may fill, where it is not to fill all that it could.
   * @throws RangeError where that breaks a rule: `evict` comes first.
   */
  run(device: DeviceState, requests: readonly Request[], share?: number): Run {
    const [first] = requests;
    if (first === undefined) throw new RangeError("A run is of one request or more");
    const fn = first.function;
    this.#refuseUnusable(device, fn);
    if (requests.length > 1 && new Set(requests).size < requests.length)
      throw new RangeError("A request is in the run twice");
    let rows = 0;
    for (const request of requests) {
      if (request.state !== "waiting") throw new RangeError(`Request ${request.id} does not wait`);
      if (request.function !== fn) throw new RangeError("A run is of one function");
      if (request.boundTo !== undefined && request.boundTo !== device)
        throw new RangeError(`Request ${request.id} is bound to another device`);
      if (requests.length > 1 && (request.batchKey === undefined || request.batchKey !== first.batchKey))
        throw new RangeError(`Request ${request.id} does not go with others`);
      rows += request.rows;
    }
    if (requests.length > 1 && rows > fn.batchLimit)
      throw new RangeError(`${rows} rows are more than ${fn.batchLimit}`);
    if (share !== undefined && !(share > 0 && share <= 1))
      throw new RangeError(`A run fills more than nothing and at most all of a device, not ${share}`);
    const isCold = !device.residences.has(fn);
    const residence = isCold ? this.#place(device, fn) : device.residences.get(fn)!;
    this.#lease(residence);
    const run = this.#begin(device, residence, requests, { rows, isCold, share });
    this.#actions.push({
      type: "run",
      run: run.id,
      device: device.id,
      function: fn.id,
      requests: requests.map(({ id }) => id),
      isCold,
      due: earliest(requests),
      share,
    });
    return run;
  }

  /** Has weights brought in ahead of requests. @throws RangeError where that breaks a rule, or they are there. */
  load(device: DeviceState, fn: FunctionState): void {
    if (device.residences.has(fn)) throw new RangeError(`${fn.id} is on ${device.id} already`);
    this.#refuseUnusable(device, fn);
    const residence = this.#place(device, fn);
    residence.isAhead = true;
    this.#lease(residence);
    this.#actions.push({ type: "load", device: device.id, function: fn.id });
  }

  /** @throws RangeError where it is leased, pinned or not there. */
  evict(device: DeviceState, fn: FunctionState, reason: string): void {
    const residence = device.residences.get(fn);
    if (residence === undefined) throw new RangeError(`${fn.id} is not on ${device.id}`);
    if (residence.isLeased || residence.isPinned) throw new RangeError(`${fn.id} is in use on ${device.id}`);
    this.#drop(residence);
    this.#actions.push({ type: "evict", device: device.id, function: fn.id, reason });
  }

  /** A request that waits gets no answer. */
  reject(request: Request, cause: RejectCause, reason: string): void {
    if (request.state !== "waiting") throw new RangeError(`Request ${request.id} does not wait`);
    this.#forget(request);
    this.#actions.push({ type: "reject", request: request.id, cause, reason });
  }

  /** Has a tick come at that time. */
  wake(at: number): void {
    this.#actions.push({ type: "wake", at });
  }

  // --- What events do, before the policy hears of them

  addFunction(spec: FunctionSpec): FunctionState {
    const known = this.functions.get(spec.id);
    if (known !== undefined) {
      const { isPinned } = known;
      known.configure(spec);
      if (known.isPinned !== isPinned) this.#pinChanged(known);
      return known;
    }
    const fn = new FunctionState(spec);
    this.functions.set(spec.id, fn);
    return fn;
  }

  /** Its weights stay where they are until the device says that they have left. */
  removeFunction(fn: FunctionState): void {
    const { isPinned } = fn;
    fn.isRemoved = true;
    if (isPinned) this.#pinChanged(fn);
    this.functions.delete(fn.id);
  }

  deviceUp(spec: DeviceSpec): DeviceState {
    let device = this.#devicesById.get(spec.id);
    if (device === undefined) {
      device = new DeviceState(spec, this.devices.length, this, this.#bus(spec.bus));
      this.#devicesById.set(spec.id, device);
      this.devices.push(device);
      device.bus.devices++;
    } else this.#lose(device);
    device.up(spec);
    return device;
  }

  /** What is leased stays counted until its run has ended or failed: it is being run again there. */
  deviceDown(device: DeviceState): void {
    device.isUp = false;
    this.#lose(device);
  }

  /** @returns undefined where it was rejected. @throws RangeError where its number is not above all before it. */
  arrived(spec: RequestSpec): Request | undefined {
    if (spec.id <= this.#lastRequest)
      throw new RangeError(`Request ${spec.id} comes after request ${this.#lastRequest}`);
    const boundTo = spec.device === undefined ? undefined : this.device(spec.device);
    this.#lastRequest = spec.id;
    const fn = this.functions.get(spec.function);
    if (fn === undefined) {
      const reason = `there is no function '${spec.function}'`;
      this.#actions.push({ type: "reject", request: spec.id, cause: "unknown", reason });
      return undefined;
    }
    const { deadlineMs } = fn.spec;
    const request = new Request({
      id: spec.id,
      function: fn,
      arrivedAt: this.now,
      deadline: spec.deadline ?? (deadlineMs === undefined ? undefined : this.now + deadlineMs),
      refuseLate: spec.refuseLate === true,
      rows: spec.rows ?? 1,
      batchKey: spec.batchKey,
      boundTo,
    });
    this.requests.set(request.id, request);
    fn.waiting++;
    fn.used(this.now);
    return request;
  }

  /** A request that waited has no end to wait for any more. */
  cancelled(request: Request): void {
    this.#forget(request);
  }

  /** @returns undefined where the weights were not there as far as is known, and cannot be noted. */
  resident(device: DeviceState, functionId: string): Residence | undefined {
    let residence = device.residenceOf(functionId);
    if (residence === undefined) {
      const fn = this.functions.get(functionId);
      if (fn === undefined || !device.isUp || device.bytesOf(fn) > device.freeBytes) return undefined;
      residence = this.#place(device, fn);
    }
    this.loaded(residence, undefined);
    return residence;
  }

  /** Of weights that somebody else had brought in: it says how fast they come. */
  loadSeen(device: DeviceState, functionId: string, loadMs: number | undefined): void {
    const fn = this.functions.get(functionId);
    if (fn !== undefined && loadMs !== undefined) device.loadMeasured(fn, loadMs, 1);
  }

  loaded(residence: Residence, loadMs: number | undefined): void {
    if (residence.state === "resident") return;
    const { device, function: fn } = residence;
    residence.state = "resident";
    residence.loadedAtMs = this.now;
    if (loadMs !== undefined && !residence.isFromPeer)
      device.loadMeasured(fn, loadMs, residence.busShare(this.now));
    this.#loadEnded(residence);
    if (!residence.isAhead) return;
    this.#endAhead(residence);
    if (fn.isRemoved && !residence.isLeased) this.#drop(residence);
  }

  loadFailed(residence: Residence): void {
    if (residence.state !== "loading") return;
    this.#endAhead(residence);
    if (!residence.isLeased) this.#drop(residence);
  }

  /** The device had a reason. What is leased is being brought in again for who leases it. */
  evicted(residence: Residence): void {
    if (!residence.isLeased) this.#drop(residence);
  }

  /** @returns the run, whose requests have ended. */
  ended(id: number, runMs: number): Run {
    const coldTailMs = this.#coldTailMs(found(this.runs.get(id), "run", id));
    const run = this.#close(id);
    for (const request of run.requests) this.#endRequest(request);
    const { device, function: fn } = run;
    device.busyMs += runMs;
    const times = fn.times(device.spec.class);
    times.measured(run.rows, runMs / slowdown(fn, run.share));
    if (coldTailMs !== undefined && runMs > 0) times.coldTailMeasured(Math.min(1, coldTailMs / runMs));
    return run;
  }

  /** @returns the run, whose requests have ended, or wait again. */
  failed(id: number, isRetried: boolean): Run {
    const run = this.#close(id);
    for (const request of run.requests) {
      if (isRetried && !request.function.isRemoved) {
        request.state = "waiting";
        request.function.running--;
        request.function.waiting++;
      } else this.#endRequest(request);
    }
    const residence = run.device.residences.get(run.function);
    if (residence?.state === "loading" && !residence.isLeased) this.#drop(residence);
    return run;
  }

  // --- Private

  #begin(
    device: DeviceState,
    residence: Residence,
    requests: readonly Request[],
    { rows, isCold, share }: Pick<Run, "rows" | "isCold" | "share">,
  ): Run {
    const { now } = this;
    const fn = residence.function;
    for (const request of requests) {
      request.state = "running";
      fn.waiting--;
      fn.running++;
    }
    const freeRunMs = device.runMs(fn, rows);
    const runMs = freeRunMs * slowdown(fn, share);
    const loadedAt = residence.state === "loading" ? residence.loadEndsAt : now;
    const isCut = device.cuts(fn, rows);
    const free = now + (isCut ? device.backlogMs(now) : device.backlogBetweenMs(now));
    const { overlapsLoads, sharesSpace } = this.traits;
    const endsAt = device.endOfRun(fn, rows, free, loadedAt, runMs);
    // Side by side, a run holds up others only for the part of the device that it fills; and while weights come in
    // others can run, where loading overlaps.
    const waitMs = overlapsLoads ? 0 : Math.max(0, loadedAt - free);
    const fillMs = waitMs + (sharesSpace ? freeRunMs * fn.occupancy : runMs);
    const backlog = isCut ? device.cutBacklog : device.backlog;
    backlog.add(fillMs, now);
    const id = ++this.#lastRun;
    const run: Run = {
      ...{ id, device, function: fn, requests, rows, startedAt: now, isCold, isCut, share },
      ...{ runMs, fillMs, endsAt },
    };
    this.runs.set(id, run);
    device.runs.add(run);
    return run;
  }

  /** Of a run that ends now: since its weights came, where the device had nothing else to do since then. */
  #coldTailMs({ device, function: fn, isCold, isCut, startedAt }: Run): number | undefined {
    if (!isCold || !this.traits.overlapsLoads || device.runs.size > 1) return undefined;
    const { state, loadedAtMs } = device.residences.get(fn)!;
    const { since } = isCut ? device.cutBacklog : device.backlog;
    const isSeen = state === "resident" && loadedAtMs >= startedAt && since <= loadedAtMs;
    return isSeen ? this.now - loadedAtMs : undefined;
  }

  #close(id: number): Run {
    const run = found(this.runs.get(id), "run", id);
    const { device, function: fn } = run;
    this.runs.delete(id);
    device.runs.delete(run);
    if (run.isCut) device.cutBacklog.ended(run.fillMs, this.now);
    else {
      device.backlog.ended(run.fillMs, this.now);
      device.cutBacklog.delayed(run.fillMs, this.now);
    }
    const residence = device.residences.get(fn)!;
    residence.leases--;
    residence.lastUsedMs = this.now;
    if (!residence.isLeased && (fn.isRemoved || !device.isUp)) this.#drop(residence);
    return run;
  }

  #refuseUnusable(device: DeviceState, fn: FunctionState): void {
    if (!device.isUp) throw new RangeError(`${device.id} is down`);
    if (!fn.canRunOn(device)) throw new RangeError(`${fn.id} cannot run on ${device.id}`);
  }

  #place(device: DeviceState, fn: FunctionState): Residence {
    if (device.usedBytes + device.bytesOf(fn) > device.budgetBytes)
      throw new RangeError(`There is no room for ${fn.id} on ${device.id}`);
    device.loads++;
    const residence = new Residence(fn, device, this.now);
    device.residences.set(fn, residence);
    device.usedBytes += residence.bytes;
    if (fn.isPinned) {
      device.pinnedBytes += residence.bytes;
      this.#homesMayBeGone = true;
    }
    fn.holders.add(device);
    return residence;
  }

  /** And puts it behind all that were used before. */
  #lease(residence: Residence): void {
    const { device, function: fn } = residence;
    residence.leases++;
    residence.lastUsedMs = this.now;
    device.residences.delete(fn);
    device.residences.set(fn, residence);
  }

  /** What runs use stays: it comes in again for them, or they fail. */
  #lose(device: DeviceState): void {
    for (const residence of [...device.residences.values()]) {
      this.#endAhead(residence);
      if (!residence.isLeased) this.#drop(residence);
    }
  }

  #endAhead(residence: Residence): void {
    if (!residence.isAhead) return;
    residence.isAhead = false;
    residence.leases--;
  }

  #drop(residence: Residence): void {
    const { device, function: fn } = residence;
    device.residences.delete(fn);
    device.usedBytes -= residence.bytes;
    if (fn.isPinned) device.pinnedBytes -= residence.bytes;
    // While it was there it needed no room.
    if (fn.waiting > 0 && device.pinnedBytes > 0) this.#homesMayBeGone = true;
    fn.holders.delete(device);
    if (residence.state === "loading") this.#loadEnded(residence);
  }

  /** @param fn whose `isPinned` has become another. */
  #pinChanged(fn: FunctionState): void {
    for (const device of fn.holders) {
      const { bytes } = device.residences.get(fn)!;
      device.pinnedBytes += fn.isPinned ? bytes : -bytes;
    }
    if (fn.isPinned) this.#homesMayBeGone = true;
  }

  #loadEnded({ device, busLoad }: Residence): void {
    if (busLoad !== undefined) device.bus.end(this.now, busLoad);
    device.loads--;
  }

  #forget(request: Request): void {
    request.state = "ended";
    request.function.waiting--;
    this.requests.delete(request.id);
  }

  #endRequest(request: Request): void {
    request.state = "ended";
    request.function.running--;
    this.requests.delete(request.id);
  }

  #bus(id: string): Bus {
    let bus = this.#buses.get(id);
    if (bus === undefined) {
      bus = new Bus();
      this.#buses.set(id, bus);
    }
    return bus;
  }
}

function found<T>(value: T | undefined, kind: string, id: string | number): T {
  if (value === undefined) throw new RangeError(`There is no ${kind} ${id}`);
  return value;
}

/** On less of a device than it could fill, a run takes as much longer. */
function slowdown(fn: FunctionState, share: number | undefined): number {
  return share === undefined ? 1 : Math.max(1, fn.occupancy / share);
}

function earliest(requests: readonly Request[]): number | undefined {
  let due: number | undefined;
  for (const { deadline } of requests)
    if (deadline !== undefined && (due === undefined || deadline < due)) due = deadline;
  return due;
}
