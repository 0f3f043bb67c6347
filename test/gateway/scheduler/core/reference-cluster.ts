/**
 * What a scheduler's cluster must look like, kept from its events and actions alone, and slowly: nothing is counted that
 * could be added up. Events are taken as they are; an action that no policy may cause fails the test.
 */
import { expect } from "vitest";
import type { SchedulerAction } from "../../../../gateway/scheduler/core/actions.ts";
import type { Cluster } from "../../../../gateway/scheduler/core/cluster.ts";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import type { DeviceSpec, FunctionSpec, RequestSpec } from "../../../../gateway/scheduler/core/specs.ts";

export interface ReferenceFunction {
  spec: FunctionSpec;
  isRemoved: boolean;
}

export interface ReferenceResidence {
  readonly fn: ReferenceFunction;
  readonly bytes: number;
  state: "loading" | "resident";
  isAhead: boolean;
}

export interface ReferenceDevice {
  readonly id: string;
  spec: DeviceSpec;
  budgetBytes: number;
  isUp: boolean;
  /** By function. */
  readonly residences: Map<string, ReferenceResidence>;
}

export interface ReferenceRequest {
  readonly spec: RequestSpec;
  readonly fn: ReferenceFunction | undefined;
  readonly deadline: number | undefined;
  state: "waiting" | "running" | "answered" | "failed" | "rejected" | "cancelled";
}

export interface ReferenceRun {
  readonly device: ReferenceDevice;
  readonly fn: ReferenceFunction;
  readonly requests: readonly ReferenceRequest[];
}

export class ReferenceCluster {
  now = 0;
  /** Removed ones stay until another has their id. */
  readonly functions = new Map<string, ReferenceFunction>();
  readonly devices = new Map<string, ReferenceDevice>();
  /** All that ever came. */
  readonly requests = new Map<number, ReferenceRequest>();
  readonly runs = new Map<number, ReferenceRun>();
  readonly goneRuns: number[] = [];
  wakesAt: number[] = [];

  step(event: SchedulerEvent, now: number, actions: readonly SchedulerAction[]): void {
    this.now = Math.max(this.now, now);
    this.wakesAt = this.wakesAt.filter((at) => at > this.now);
    this.#hear(event);
    const own = this.#ownAction(event);
    // Before anything that the policy does of its own: that takes nothing from anybody.
    if (own !== undefined) expect(actions[0]).toEqual(own);
    for (const action of actions) this.#obey(action);
    expect(this.waiting().filter((request) => !this.#mayRunSomewhere(request))).toEqual([]);
  }

  waiting(): ReferenceRequest[] {
    return [...this.requests.values()].filter(({ state }) => state === "waiting");
  }

  loading(): (readonly [ReferenceDevice, ReferenceResidence])[] {
    return [...this.devices.values()].flatMap((device) =>
      [...device.residences.values()]
        .filter(({ state }) => state === "loading")
        .map((residence) => [device, residence] as const),
    );
  }

  /** Requests that wait while nothing is done, and nothing is going to be, though they could run. */
  neglected(): ReferenceRequest[] {
    if (this.runs.size > 0 || this.loading().length > 0 || this.wakesAt.length > 0) return [];
    return this.waiting().filter((request) =>
      [...this.devices.values()].some(
        (device) => device.isUp && mayRunOn(request, device) && roomCanBeMade(device, request.fn!),
      ),
    );
  }

  hasTraceOf(fn: string): boolean {
    return (
      [...this.devices.values()].some(({ residences }) => residences.has(fn)) ||
      [...this.runs.values()].some((run) => run.fn.spec.id === fn)
    );
  }

  /** Fails the test where the cluster is another. */
  expectLike(cluster: Cluster): void {
    expect(snapshotOf(cluster)).toEqual(this.#snapshot());
  }

  /** As `snapshotOf()`. */
  #snapshot(): object {
    const functions = [...this.functions.values()].filter(({ isRemoved }) => !isRemoved);
    const devices = [...this.devices.values()];
    const loads = this.loading();
    return {
      requests: [...this.requests.values()].flatMap(({ spec, state }) =>
        state === "waiting" || state === "running" ? [[spec.id, state]] : [],
      ),
      runs: [...this.runs.keys()],
      functions: Object.fromEntries(
        functions.map((fn) => [
          fn.spec.id,
          {
            waiting: this.#count(fn, "waiting"),
            running: this.#count(fn, "running"),
            holders: devices.filter(({ residences }) => residences.has(fn.spec.id)).map(({ id }) => id),
          },
        ]),
      ),
      devices: devices.map((device) => ({
        id: device.id,
        isUp: device.isUp,
        budgetBytes: device.budgetBytes,
        usedBytes: usedBytes(device),
        pinnedBytes: pinnedBytes(device),
        loads: loads.filter(([other]) => other === device).length,
        loadsOnBus: loads.filter(([other]) => other.spec.bus === device.spec.bus).length,
        runs: [...this.runs].filter(([, run]) => run.device === device).map(([id]) => id),
        residences: Object.fromEntries(
          [...device.residences].map(([id, one]) => [
            id,
            { state: one.state, leases: this.#leases(device, one), isAhead: one.isAhead },
          ]),
        ),
      })),
    };
  }

  // --- Events

  #hear(event: SchedulerEvent): void {
    switch (event.type) {
      case "function": {
        const known = this.functions.get(event.function.id);
        if (known === undefined || known.isRemoved)
          this.functions.set(event.function.id, { spec: event.function, isRemoved: false });
        else known.spec = event.function;
        break;
      }
      case "function-removed": {
        const fn = this.functions.get(event.function);
        if (fn !== undefined) fn.isRemoved = true;
        break;
      }
      case "device-up": {
        const { device: spec } = event;
        const known = this.devices.get(spec.id);
        if (known === undefined) {
          const { id, budgetBytes } = spec;
          this.devices.set(id, { id, spec, budgetBytes, isUp: true, residences: new Map() });
          break;
        }
        Object.assign(known, { spec, budgetBytes: spec.budgetBytes, isUp: true });
        this.#lose(known);
        break;
      }
      case "device-down": {
        const device = this.devices.get(event.device)!;
        device.isUp = false;
        this.#lose(device);
        break;
      }
      case "budget":
        this.devices.get(event.device)!.budgetBytes = event.bytes;
        break;
      case "arrival": {
        const { request: spec } = event;
        const known = this.functions.get(spec.function);
        const fn = known?.isRemoved === true ? undefined : known;
        const relative = fn?.spec.deadlineMs;
        const deadline = spec.deadline ?? (relative === undefined ? undefined : this.now + relative);
        this.requests.set(spec.id, { spec, fn, deadline, state: "waiting" });
        break;
      }
      case "cancelled": {
        const request = this.requests.get(event.request);
        if (request?.state === "waiting") request.state = "cancelled";
        break;
      }
      case "loaded":
      case "load-failed":
      case "evicted":
        this.#residenceChanged(event.type, this.devices.get(event.device)!, event.function);
        break;
      case "resident":
        this.#resident(this.devices.get(event.device)!, event.function);
        break;
      case "ended":
        this.#close(event.run, () => "answered");
        break;
      case "failed":
        this.#close(
          event.run,
          ({ fn }) => (event.isRetried && fn?.isRemoved === false ? "waiting" : "failed"),
          true,
        );
        break;
      case "wanted":
      case "unwanted":
      case "tick":
        break;
      default:
        event satisfies never;
    }
  }

  /** What the scheduler itself has to do, whatever its policy. */
  #ownAction(event: SchedulerEvent): SchedulerAction | undefined {
    if (event.type !== "wanted" && event.type !== "unwanted") return undefined;
    const device = this.devices.get(event.device)!;
    const at = { device: event.device, function: event.function };
    const residence = device.residences.get(event.function);
    if (event.type === "wanted") {
      const fn = this.functions.get(event.function);
      if (fn === undefined || fn.isRemoved || residence !== undefined || !device.isUp) return undefined;
      if (fn.spec.refusedBy?.includes(device.spec.class) === true) return undefined;
      const fits = usedBytes(device) + fn.spec.weightBytes <= device.budgetBytes;
      return fits ? { type: "load", ...at } : undefined;
    }
    if (residence === undefined || isPinned(residence.fn)) return undefined;
    const isNeeded = this.#leases(device, residence) + this.#count(residence.fn, "waiting") > 0;
    return isNeeded ? undefined : { type: "evict", ...at, reason: event.reason };
  }

  #residenceChanged(type: "loaded" | "load-failed" | "evicted", device: ReferenceDevice, fn: string): void {
    const residence = device.residences.get(fn);
    if (residence === undefined) return;
    if (type === "evicted") {
      if (this.#leases(device, residence) === 0) device.residences.delete(fn);
      return;
    }
    if (residence.state === "resident") return;
    const wasAhead = residence.isAhead;
    residence.isAhead = false;
    if (type === "loaded") residence.state = "resident";
    const isUseless = type === "load-failed" || (wasAhead && residence.fn.isRemoved);
    if (isUseless && this.#leases(device, residence) === 0) device.residences.delete(fn);
  }

  #resident(device: ReferenceDevice, id: string): void {
    const fn = this.functions.get(id);
    const isNew = !device.residences.has(id) && fn?.isRemoved === false && device.isUp;
    if (isNew && usedBytes(device) + fn.spec.weightBytes <= device.budgetBytes)
      device.residences.set(id, { fn, bytes: fn.spec.weightBytes, state: "loading", isAhead: false });
    this.#residenceChanged("loaded", device, id);
  }

  #close(
    id: number,
    outcome: (request: ReferenceRequest) => ReferenceRequest["state"],
    isFailed = false,
  ): void {
    const { device, fn, requests } = this.runs.get(id)!;
    this.runs.delete(id);
    this.goneRuns.push(id);
    for (const request of requests) request.state = outcome(request);
    const residence = device.residences.get(fn.spec.id)!;
    const isLost = fn.isRemoved || !device.isUp || (isFailed && residence.state === "loading");
    if (isLost && this.#leases(device, residence) === 0) device.residences.delete(fn.spec.id);
  }

  #lose(device: ReferenceDevice): void {
    for (const [id, residence] of device.residences) {
      residence.isAhead = false;
      if (this.#leases(device, residence) === 0) device.residences.delete(id);
    }
  }

  // --- Actions

  #obey(action: SchedulerAction): void {
    switch (action.type) {
      case "run":
        this.#run(action);
        break;
      case "load": {
        const device = this.devices.get(action.device)!;
        this.#place(device, this.functions.get(action.function)!).isAhead = true;
        break;
      }
      case "evict": {
        const { residences } = this.devices.get(action.device)!;
        const residence = residences.get(action.function)!;
        expect(this.#leases(this.devices.get(action.device)!, residence)).toBe(0);
        expect(isPinned(residence.fn)).toBe(false);
        residences.delete(action.function);
        break;
      }
      case "reject": {
        const request = this.requests.get(action.request)!;
        expect(request.state).toBe("waiting");
        if (action.cause === "unknown") expect(request.fn).toBeUndefined();
        else expect(request.fn?.isRemoved).toBe(action.cause === "removed");
        if (action.cause === "too-large") expect(this.#mayRunSomewhere(request)).toBe(false);
        request.state = "rejected";
        break;
      }
      case "wake":
        expect(action.at).toBeGreaterThanOrEqual(this.now);
        this.wakesAt.push(action.at);
        break;
      default:
        action satisfies never;
    }
  }

  #run(action: Extract<SchedulerAction, { readonly type: "run" }>): void {
    const device = this.devices.get(action.device)!;
    const fn = this.functions.get(action.function)!;
    const requests = action.requests.map((id) => this.requests.get(id)!);
    expect(requests.length).toBeGreaterThan(0);
    expect(new Set(requests).size).toBe(requests.length);
    for (const request of requests) {
      expect([request.state, request.fn]).toEqual(["waiting", fn]);
      expect([undefined, device.id]).toContain(request.spec.device);
    }
    if (requests.length > 1) {
      expect(requests[0]!.spec.batchKey).toBeDefined();
      expect(new Set(requests.map(({ spec }) => spec.batchKey)).size).toBe(1);
      const rows = requests.reduce((sum, { spec }) => sum + (spec.rows ?? 1), 0);
      expect(rows).toBeLessThanOrEqual(fn.spec.batchLimit ?? 1);
    }
    expect(device.isUp).toBe(true);
    expect(fn.spec.refusedBy ?? []).not.toContain(device.spec.class);
    expect(action.isCold).toBe(!device.residences.has(fn.spec.id));
    if (action.isCold) this.#place(device, fn);
    const deadlines = requests.flatMap(({ deadline }) => deadline ?? []);
    expect(action.due).toBe(deadlines.length === 0 ? undefined : Math.min(...deadlines));
    expect(Math.max(0, ...this.goneRuns, ...this.runs.keys())).toBeLessThan(action.run);
    for (const request of requests) request.state = "running";
    this.runs.set(action.run, { device, fn, requests });
  }

  #place(device: ReferenceDevice, fn: ReferenceFunction): ReferenceResidence {
    expect([device.isUp, fn.isRemoved, device.residences.has(fn.spec.id)]).toEqual([true, false, false]);
    const residence: ReferenceResidence = {
      fn,
      bytes: fn.spec.weightBytes,
      state: "loading",
      isAhead: false,
    };
    device.residences.set(fn.spec.id, residence);
    expect(usedBytes(device)).toBeLessThanOrEqual(device.budgetBytes);
    return residence;
  }

  // --- Questions

  #leases(device: ReferenceDevice, residence: ReferenceResidence): number {
    const runs = [...this.runs.values()].filter((run) => run.device === device && run.fn === residence.fn);
    return runs.length + (residence.isAhead ? 1 : 0);
  }

  #count(fn: ReferenceFunction, state: ReferenceRequest["state"]): number {
    return [...this.requests.values()].filter((request) => request.fn === fn && request.state === state)
      .length;
  }

  #mayRunSomewhere(request: ReferenceRequest): boolean {
    return (
      request.fn?.isRemoved === false &&
      [...this.devices.values()].some(
        (device) => mayRunOn(request, device) && roomCanBeMade(device, request.fn!),
      )
    );
  }
}

function mayRunOn({ spec, fn }: ReferenceRequest, device: ReferenceDevice): boolean {
  return (
    fn !== undefined &&
    (spec.device === undefined || spec.device === device.id) &&
    fn.spec.weightBytes <= device.budgetBytes &&
    fn.spec.refusedBy?.includes(device.spec.class) !== true
  );
}

/** While nothing runs there. */
function roomCanBeMade(device: ReferenceDevice, fn: ReferenceFunction): boolean {
  if (device.residences.has(fn.spec.id)) return true;
  let staying = 0;
  for (const residence of device.residences.values()) if (isPinned(residence.fn)) staying += residence.bytes;
  return staying + fn.spec.weightBytes <= device.budgetBytes;
}

function isPinned({ spec, isRemoved }: ReferenceFunction): boolean {
  return spec.isPinned === true && !isRemoved;
}

function pinnedBytes({ residences }: ReferenceDevice): number {
  return [...residences.values()].reduce((sum, { fn, bytes }) => sum + (isPinned(fn) ? bytes : 0), 0);
}

function usedBytes({ residences }: ReferenceDevice): number {
  return [...residences.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What a cluster counts, as plain data. */
function snapshotOf({ requests, runs, functions, devices }: Cluster): object {
  return {
    requests: [...requests.values()].map(({ id, state }) => [id, state]),
    runs: [...runs.keys()],
    functions: Object.fromEntries(
      [...functions.values()].map(({ id, waiting, running, holders }) => [
        id,
        { waiting, running, holders: devices.filter((device) => holders.has(device)).map((one) => one.id) },
      ]),
    ),
    devices: devices.map((device) => ({
      id: device.id,
      isUp: device.isUp,
      budgetBytes: device.budgetBytes,
      usedBytes: device.usedBytes,
      pinnedBytes: device.pinnedBytes,
      loads: device.loads,
      loadsOnBus: device.bus.loads,
      runs: [...device.runs].map(({ id }) => id),
      residences: Object.fromEntries(
        [...device.residences.values()].map(({ id, state, leases, isAhead }) => [
          id,
          { state, leases, isAhead },
        ]),
      ),
    })),
  };
}
