/**
 * A device of a simulation: loads weights in the order in which they are asked for and computes runs. Where loading
 * overlaps computing, a run has gone as far when its weights are there as the device had time for meanwhile, all but its
 * tail, which needs the last of them.
 */
import type { SchedulerAction } from "../../gateway/scheduler/core/actions.ts";
import type { SchedulerEvent } from "../../gateway/scheduler/core/events.ts";
import type { PolicyTraits } from "../../gateway/scheduler/core/policy.ts";
import type { BusModel } from "./bus-model.ts";
import { demandOf, type SimulatedDevice, type SimulatedFunction } from "./cluster-model.ts";
import { ComputeModel } from "./compute-model.ts";
import type { SharedCores } from "./shared-cores.ts";

export interface DeviceModelOptions {
  readonly spec: SimulatedDevice;
  readonly traits: PolicyTraits;
  readonly bus: BusModel;
  readonly schedule: (at: number, job: () => void) => void;
  readonly tell: (event: SchedulerEvent) => void;
  readonly noise: () => number;
  readonly loadNoise: () => number;
  readonly tailPart: number;
  readonly returnPart: number;
  readonly cores?: SharedCores | undefined;
}

/** Part of a device that runs fill, from which on one that orders its work by itself begins no other. */
const fullFrom = 0.98;

type RunAction = Extract<SchedulerAction, { readonly type: "run" }>;

/** Weights on their way, and who waits for them. */
interface Load {
  readonly beganAt: number;
  /** Of the device, when their bytes began to move. */
  idleMs: number;
  readonly waiting: ((idleMs: number) => void)[];
}

export class DeviceModel {
  readonly compute: ComputeModel;
  readonly #options: DeviceModelOptions;
  readonly #loads = new Map<string, Load>();
  #now = 0;
  loadedBytes = 0;

  constructor(options: DeviceModelOptions) {
    this.#options = options;
    const schedule = (at: number, job: () => void) =>
      options.schedule(at, () => {
        this.#now = at;
        job();
      });
    const { traits, spec, cores } = options;
    // What it was given ahead waits for its turn.
    const fullWhenSharing = (spec.aheadMs ?? 0) > 0 ? fullFrom : Number.POSITIVE_INFINITY;
    this.compute = new ComputeModel(traits.sharesSpace ? fullWhenSharing : 0, schedule, cores);
  }

  /** @param isFromPeer where its weights have to come: from another device. */
  run(
    now: number,
    action: RunAction,
    fn: SimulatedFunction,
    { isFromPeer, answered }: { readonly isFromPeer: boolean; readonly answered: () => void },
  ): void {
    const { spec, traits, tell, noise, tailPart, returnPart } = this.#options;
    const { runMs: freeMs, occupancy: freeOccupancy } = demandOf(fn, spec, action.requests.length);
    const { share = 1 } = action;
    const runMs = freeMs * noise() * Math.max(1, freeOccupancy / share);
    const occupancy = Math.min(share, freeOccupancy);
    this.#now = now;
    const start = (doneMs: number) =>
      this.compute.add(this.#now, {
        leftMs: Math.max(0, runMs * (1 - returnPart) - doneMs),
        returnMs: runMs * returnPart,
        occupancy,
        isCut: fn.isDivisible === true && freeMs > (spec.cutsFromMs ?? Number.POSITIVE_INFINITY),
        done: () => {
          answered();
          tell({ type: "ended", run: action.run, runMs });
        },
      });
    if (action.isCold) this.load(now, fn, isFromPeer);
    const load = this.#loads.get(fn.id);
    if (load === undefined) start(0);
    // Only one run at a time can go along with a load.
    else
      load.waiting.push((idleMs) =>
        start(traits.overlapsLoads ? Math.min(idleMs, (1 - tailPart) * runMs) : 0),
      );
  }

  load(now: number, fn: SimulatedFunction, isFromPeer: boolean): void {
    const { spec, bus, tell, traits, schedule, loadNoise } = this.#options;
    this.#now = now;
    const load: Load = { beganAt: now, idleMs: this.compute.idleMs(now), waiting: [] };
    this.#loads.set(fn.id, load);
    this.loadedBytes += fn.weightBytes;
    const startMs = traits.coldStart === "process" ? (fn.coldStartMs ?? 0) : 0;
    const fixedMs = (spec.loadFixedMs ?? 0) + startMs;
    const done = (at: number) => {
      this.#now = at;
      this.#loads.delete(fn.id);
      tell({ type: "loaded", device: spec.id, function: fn.id, loadMs: at - load.beganAt });
      const idleMs = this.compute.idleMs(at) - load.idleMs;
      for (const [i, begin] of load.waiting.entries()) begin(i === 0 ? idleMs : 0);
    };
    if (isFromPeer) {
      const at = now + fixedMs + fn.weightBytes / traits.peerBytesPerMs!;
      schedule(at, () => done(at));
    } else {
      const begun = (at: number) => {
        load.idleMs = this.compute.idleMs(at);
      };
      bus.add(now, spec.id, { fixedMs, leftBytes: fn.weightBytes * loadNoise(), begun, done });
    }
  }
}
