/**
 * A discrete-event simulation of a gateway and its devices: requests arrive, the scheduler that the live gateway uses
 * decides, model devices load and compute. Everything happens at points of simulated time; what is random was drawn
 * before, from a seed.
 */
import type { SchedulerAction } from "../../gateway/scheduler/core/actions.ts";
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
  /** Requests that come at their times. */
  readonly arrivals?: Pick<Arrivals, "timesMs" | "functionOf">;
  /** Clients that each send their next request when they have their answer, until `closedUntilMs`. */
  readonly clients?: readonly { readonly function: number }[];
  readonly closedUntilMs?: number;
  /** How long an actual run takes, by what it should; drawn in the order of runs. Left out: exactly that long. */
  readonly noise?: () => number;
  /** A part of a run that cannot overlap the load of its weights. */
  readonly tailPart?: number;
  /** Devices are software on shared processors. Left out: each has its own. */
  readonly slowness?: Slowness;
  /** Measures the scheduler, for its cost alone. */
  readonly clock?: () => number;
}

export function simulate(options: SimulationOptions): Outcomes {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #scheduler: Scheduler;
  readonly #queue = new EventQueue<() => void>();
  readonly #devices = new Map<string, DeviceModel>();
  readonly #functions = new Map<string, SimulatedFunction>();
  readonly #outcomes: Outcomes;
  /** By request: its client, where it has one. */
  readonly #clientOf = new Map<number, number>();
  #now = 0;
  #requests = 0;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#scheduler = createScheduler(options.policy);
    this.#outcomes = new Outcomes(options.functions, this.#scheduler.cluster);
    const schedule = (at: number, job: () => void) => this.#queue.push(at, job);
    const cores = options.slowness && new SharedCores(options.slowness);
    const buses = new Map<string, BusModel>();
    for (const spec of options.devices) {
      const bus = buses.get(spec.bus) ?? new BusModel(spec.loadBytesPerMs, schedule, cores);
      buses.set(spec.bus, bus);
      const { traits } = options.policy;
      const { noise = exactly, tailPart = 0.1 } = options;
      const tell = (event: SchedulerEvent) => this.#step(event);
      this.#devices.set(
        spec.id,
        new DeviceModel({ spec, traits, bus, schedule, tell, noise, tailPart, cores }),
      );
      this.#step({ type: "device-up", device: spec });
    }
    for (const one of options.functions) {
      this.#functions.set(one.id, one);
      this.#step({ type: "function", function: one });
    }
  }

  run(): Outcomes {
    const { arrivals, clients = [], closedUntilMs = 0, functions } = this.#options;
    for (const [i, { function: fn }] of clients.entries()) this.#arrive(functions[fn]!, fn, i);
    const total = arrivals?.timesMs.length ?? 0;
    for (let next = 0; ; ) {
      const arrivesAt = next < total ? arrivals!.timesMs[next]! : Number.POSITIVE_INFINITY;
      if (arrivesAt <= this.#queue.nextAt) {
        if (next >= total) break;
        this.#now = arrivesAt;
        const fn = arrivals!.functionOf[next++]!;
        this.#arrive(functions[fn]!, fn);
      } else {
        this.#now = this.#queue.nextAt;
        if (clients.length > 0 && this.#now > closedUntilMs) break;
        this.#queue.pop()!();
      }
    }
    this.#outcomes.finish(this.#now, [...this.#devices.values()]);
    return this.#outcomes;
  }

  #arrive(spec: SimulatedFunction, index: number, client?: number): void {
    const id = this.#requests++;
    this.#outcomes.arrived(id, index, this.#now);
    if (client !== undefined) this.#clientOf.set(id, client);
    const batchKey = (spec.batchLimit ?? 1) > 1 ? "" : undefined;
    const request = { id, function: spec.id, ...(batchKey !== undefined && { batchKey }) };
    this.#step({ type: "arrival", request });
  }

  #step(event: SchedulerEvent): void {
    const { clock } = this.#options;
    const from = clock?.() ?? 0;
    const actions = this.#scheduler.step(event, this.#now);
    if (clock !== undefined) this.#outcomes.decided(clock() - from);
    for (const action of actions) this.#do(action);
  }

  #do(action: SchedulerAction): void {
    switch (action.type) {
      case "run":
        this.#outcomes.started(action);
        this.#devices
          .get(action.device)!
          .run(this.#now, action, this.#functions.get(action.function)!, () => {
            for (const id of action.requests) this.#answered(id);
          });
        break;
      case "load":
        this.#devices.get(action.device)!.load(this.#now, this.#functions.get(action.function)!);
        break;
      case "evict":
        this.#outcomes.evictions++;
        break;
      case "reject":
        this.#outcomes.rejected(action.request);
        this.#next(action.request);
        break;
      case "wake":
        if (action.at >= this.#wakeAt) break;
        this.#wakeAt = action.at;
        this.#queue.push(Math.max(action.at, this.#now), () => {
          if (this.#wakeAt !== action.at) return;
          this.#wakeAt = Number.POSITIVE_INFINITY;
          this.#step({ type: "tick" });
        });
        break;
      default:
        action satisfies never;
    }
  }

  #answered(id: number): void {
    this.#outcomes.answered(id, this.#now);
    this.#next(id);
  }

  #next(id: number): void {
    const client = this.#clientOf.get(id);
    if (client === undefined) return;
    this.#clientOf.delete(id);
    const { function: fn } = this.#options.clients![client]!;
    const spec = this.#options.functions[fn]!;
    this.#queue.push(this.#now + (spec.hostMs ?? 0), () => this.#arrive(spec, fn, client));
  }
}

const exactly = () => 1;
