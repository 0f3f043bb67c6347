/**
 * A discrete-event simulation of a gateway and its devices: requests arrive, the scheduler that the live gateway uses
 * decides, model devices load and compute. Everything happens at points of simulated time; what is random was drawn
 * before, from a seed.
 */
import type { SchedulerAction } from "../../gateway/scheduler/core/actions.ts";
import type { Cluster } from "../../gateway/scheduler/core/cluster.ts";
import type { SchedulerEvent } from "../../gateway/scheduler/core/events.ts";
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { createScheduler, type Scheduler } from "../../gateway/scheduler/core/scheduler.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import { BusModel } from "./bus-model.ts";
import type { SimulatedDevice, SimulatedFunction } from "./cluster-model.ts";
import { DeviceModel } from "./device-model.ts";
import { EventQueue } from "./event-queue.ts";
import { Outcomes } from "./outcomes.ts";
import { SharedCores, type Slowness } from "./shared-cores.ts";

export interface SimulationOptions {
  readonly policy: SchedulingPolicy;
  readonly devices: readonly SimulatedDevice[];
  readonly functions: readonly SimulatedFunction[];
  /** Several schedulers, which know nothing of each other. Left out: one for all. */
  readonly cells?: Cells;
  /** Requests that come at their times. */
  readonly arrivals?: Pick<Arrivals, "timesMs" | "functionOf">;
  /** Clients that each send their next request when they have their answer, until `closedUntilMs`. */
  readonly clients?: readonly { readonly function: number }[];
  readonly closedUntilMs?: number;
  /** To leave out how it begins, with nothing loaded. */
  readonly countedFromMs?: number;
  /** Where weights are when it begins, by ids. Left out: nowhere. */
  readonly resident?: readonly { readonly device: string; readonly function: string }[];
  /** How long an actual run takes, by what it should; drawn in the order of runs. Left out: exactly that long. */
  readonly noise?: () => number;
  /** The same of loads. */
  readonly loadNoise?: () => number;
  /** The same of what is before and after the device. */
  readonly hostNoise?: () => number;
  /** A part of a run that cannot overlap the load of its weights. */
  readonly tailPart?: number;
  /** A part of a run, its end, in which the device computes for others already. Left out: 0. */
  readonly returnPart?: number;
  /** Devices are software on shared processors. Left out: each has its own. */
  readonly slowness?: Slowness;
  /** Acts beside the one scheduler, which hears what it says. */
  readonly bystander?: Bystander;
  /** Measures the scheduler, for its cost alone. */
  readonly clock?: () => number;
}

/** Which scheduler each device and each function belongs to, by position: 0, 1, … */
export interface Cells {
  readonly ofDevice: readonly number[];
  readonly ofFunction: readonly number[];
}

/** Functions by their ids; times are simulated ones. */
export interface Bystander {
  readonly intervalMs: number;
  called(fn: string, now: number): void;
  /** Also of a call that was rejected. */
  answered(fn: string, now: number): void;
  /** Every interval, while requests are to come. @param tell what the scheduler is to hear, and does before this returns. */
  tick(now: number, cluster: Cluster, tell: (event: SchedulerEvent) => void): void;
}

export function simulate(options: SimulationOptions): Outcomes {
  return new Simulation(options).run();
}

interface Cell {
  readonly scheduler: Scheduler;
  wakeAt: number;
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #cells: readonly Cell[];
  readonly #queue = new EventQueue<() => void>();
  readonly #devices = new Map<string, DeviceModel>();
  readonly #functions = new Map<string, SimulatedFunction>();
  readonly #outcomes: Outcomes;
  readonly #cores: SharedCores | undefined;
  /** By request: its client, where it has one. */
  readonly #clientOf = new Map<number, number>();
  /** By request, where a bystander hears of its end. */
  readonly #functionOf = new Map<number, string>();
  #isOver = false;
  #now = 0;
  #requests = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { policy, cells, functions } = options;
    this.#cells = Array.from({ length: 1 + Math.max(0, ...(cells?.ofDevice ?? [])) }, () => ({
      scheduler: createScheduler(policy),
      wakeAt: Number.POSITIVE_INFINITY,
    }));
    this.#outcomes = new Outcomes(functions, options.countedFromMs);
    this.#cores = options.slowness && new SharedCores(options.slowness);
    this.#addDevices();
    for (const [i, one] of functions.entries()) {
      this.#functions.set(one.id, one);
      this.#step(this.#cellOf(i), { type: "function", function: one });
    }
    for (const { device, function: fn } of options.resident ?? [])
      this.#step(this.#cellOf(functions.findIndex(({ id }) => id === fn)), {
        type: "resident",
        device,
        function: fn,
      });
  }

  run(): Outcomes {
    const { arrivals, clients = [], closedUntilMs = 0 } = this.#options;
    for (const [i, { function: fn }] of clients.entries()) this.#arrive(fn, i);
    const total = arrivals?.timesMs.length ?? 0;
    this.#tickLater();
    for (let next = 0; ; ) {
      this.#isOver = next >= total;
      const arrivesAt = next < total ? arrivals!.timesMs[next]! : Number.POSITIVE_INFINITY;
      if (arrivesAt <= this.#queue.nextAt) {
        if (next >= total) break;
        this.#now = arrivesAt;
        this.#arrive(arrivals!.functionOf[next++]!);
      } else {
        if (clients.length > 0 && this.#queue.nextAt > closedUntilMs) break;
        this.#now = this.#queue.nextAt;
        this.#queue.pop()!();
      }
    }
    this.#outcomes.finish(this.#now, [...this.#devices.values()]);
    return this.#outcomes;
  }

  #addDevices(): void {
    const {
      policy,
      devices,
      cells,
      noise = exactly,
      loadNoise = exactly,
      tailPart = 0.1,
      returnPart = 0,
    } = this.#options;
    const schedule = (at: number, job: () => void) => this.#queue.push(at, job);
    const cores = this.#cores;
    const buses = new Map<string, BusModel>();
    for (const [i, spec] of devices.entries()) {
      const bus = buses.get(spec.bus) ?? new BusModel(spec.loadBytesPerMs, schedule, cores);
      buses.set(spec.bus, bus);
      const cell = this.#cells[cells?.ofDevice[i] ?? 0]!;
      const tell = (event: SchedulerEvent) => this.#step(cell, event);
      const { traits } = policy;
      this.#devices.set(
        spec.id,
        new DeviceModel({ spec, traits, bus, schedule, tell, noise, loadNoise, tailPart, returnPart, cores }),
      );
      this.#step(cell, { type: "device-up", device: spec });
    }
  }

  #tickLater(): void {
    const { bystander } = this.#options;
    if (bystander === undefined) return;
    const cell = this.#cells[0]!;
    this.#queue.push(this.#now + bystander.intervalMs, () => {
      if (this.#isOver) return;
      bystander.tick(this.#now, cell.scheduler.cluster, (event) => this.#step(cell, event));
      this.#tickLater();
    });
  }

  #cellOf(fn: number): Cell {
    return this.#cells[this.#options.cells?.ofFunction[fn] ?? 0]!;
  }

  #arrive(fn: number, client?: number): void {
    const spec = this.#options.functions[fn]!;
    const id = this.#requests++;
    this.#outcomes.arrived(id, fn, this.#now);
    if (client !== undefined) this.#clientOf.set(id, client);
    this.#options.bystander?.called(spec.id, this.#now);
    if (this.#options.bystander !== undefined) this.#functionOf.set(id, spec.id);
    const batchKey = (spec.batchLimit ?? 1) > 1 ? "" : undefined;
    const request = { id, function: spec.id, ...(batchKey !== undefined && { batchKey }) };
    this.#step(this.#cellOf(fn), { type: "arrival", request });
  }

  #step(cell: Cell, event: SchedulerEvent): void {
    const { clock } = this.#options;
    const from = clock?.() ?? 0;
    const actions = cell.scheduler.step(event, this.#now);
    if (clock !== undefined) this.#outcomes.decided(clock() - from);
    for (const action of actions) this.#do(cell, action);
  }

  #do(cell: Cell, action: SchedulerAction): void {
    switch (action.type) {
      case "run": {
        const { holders } = cell.scheduler.cluster.function(action.function);
        this.#outcomes.started(action, holders.size > 1);
        this.#devices.get(action.device)!.run(this.#now, action, this.#functions.get(action.function)!, {
          isFromPeer: isFromPeer(cell, action),
          answered: () => {
            for (const id of action.requests) this.#answered(id);
          },
        });
        break;
      }
      case "load":
        this.#devices
          .get(action.device)!
          .load(this.#now, this.#functions.get(action.function)!, isFromPeer(cell, action));
        break;
      case "evict":
        this.#outcomes.evictions++;
        break;
      case "reject":
        this.#outcomes.rejected();
        this.#next(action.request, this.#outcomes.functionOf(action.request).hostMs ?? 0);
        break;
      case "wake":
        this.#wake(cell, action.at);
        break;
      default:
        action satisfies never;
    }
  }

  #wake(cell: Cell, at: number): void {
    if (at >= cell.wakeAt) return;
    cell.wakeAt = at;
    this.#queue.push(Math.max(at, this.#now), () => {
      if (cell.wakeAt !== at) return;
      cell.wakeAt = Number.POSITIVE_INFINITY;
      this.#step(cell, { type: "tick" });
    });
  }

  #answered(id: number): void {
    const { hostNoise = exactly } = this.#options;
    const hostMs = this.#outcomes.functionOf(id).hostMs ?? 0;
    const actualMs = hostMs * hostNoise() * (this.#cores?.host ?? 1);
    this.#outcomes.answered(id, this.#now, actualMs);
    this.#next(id, actualMs);
  }

  /** @param hostMs until its client hears of it. */
  #next(id: number, hostMs: number): void {
    const fnId = this.#functionOf.get(id);
    if (fnId !== undefined) this.#options.bystander!.answered(fnId, this.#now);
    this.#functionOf.delete(id);
    const client = this.#clientOf.get(id);
    if (client === undefined) return;
    this.#clientOf.delete(id);
    const { function: fn } = this.#options.clients![client]!;
    this.#queue.push(this.#now + hostMs, () => this.#arrive(fn, client));
  }
}

const exactly = () => 1;

/** What holds it may go before the copy is made, which is taken for made. */
function isFromPeer(
  { scheduler: { cluster } }: Cell,
  { device, function: fn }: Pick<Extract<SchedulerAction, { readonly type: "load" }>, "device" | "function">,
): boolean {
  return cluster.device(device).residences.get(cluster.function(fn))?.isFromPeer === true;
}
