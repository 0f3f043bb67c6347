/** What the scheduler knows of a device: what it holds, what it works on, how fast it is. */
import { Backlog } from "./backlog.ts";
import type { Bus } from "./bus.ts";
import type { Cluster } from "./cluster.ts";
import type { FunctionState } from "./function-state.ts";
import { LoadRates } from "./load-rates.ts";
import type { Run } from "./request.ts";
import type { Residence } from "./residence.ts";
import type { DeviceSpec } from "./specs.ts";

export class DeviceState {
  readonly id: string;
  readonly index: number;
  readonly cluster: Cluster;
  readonly bus: Bus;
  spec: DeviceSpec;
  isUp = true;
  budgetBytes: number;
  usedBytes = 0;
  /** Of those, what stays whoever needs the room. */
  pinnedBytes = 0;
  /** By function, the one used longest ago first. */
  readonly residences = new Map<FunctionState, Residence>();
  readonly runs = new Set<Run>();
  /** Weights that are coming in. */
  loads = 0;
  /** Of runs that let nobody in between. */
  readonly backlog = new Backlog();
  /** Of runs that it cuts. */
  readonly cutBacklog = new Backlog();
  /** Milliseconds of runs that have ended. */
  busyMs = 0;
  #rates: LoadRates;

  constructor(spec: DeviceSpec, index: number, cluster: Cluster, bus: Bus) {
    this.id = spec.id;
    this.index = index;
    this.cluster = cluster;
    this.bus = bus;
    this.spec = spec;
    this.budgetBytes = spec.budgetBytes;
    this.#rates = new LoadRates(cluster.loadRates(spec.class));
  }

  /** It has come, perhaps as another one than it was. */
  up(spec: DeviceSpec): void {
    if (spec.class !== this.spec.class) this.#rates = new LoadRates(this.cluster.loadRates(spec.class));
    this.spec = spec;
    this.budgetBytes = spec.budgetBytes;
    this.isUp = true;
  }

  get isIdle(): boolean {
    return this.runs.size === 0 && this.isUp;
  }

  get freeBytes(): number {
    return this.budgetBytes - this.usedBytes;
  }

  holds(fn: FunctionState): boolean {
    return this.residences.has(fn);
  }

  /** By id: of a function that was removed as well, while something uses its weights. */
  residenceOf(id: string): Residence | undefined {
    const fn = this.cluster.functions.get(id);
    const residence = fn && this.residences.get(fn);
    if (residence !== undefined) return residence;
    for (const one of this.residences.values()) if (one.id === id) return one;
    return undefined;
  }

  /** Whether it could ever hold the function. */
  canHold(fn: FunctionState): boolean {
    return this.bytesOf(fn) <= this.budgetBytes && fn.canRunOn(this);
  }

  /** What a function takes of the budget. */
  bytesOf(fn: FunctionState): number {
    return fn.weightBytes + (this.spec.fixedBytes ?? 0);
  }

  /** Median time of a run, weights there, nothing beside it. */
  runMs(fn: FunctionState, rows: number): number {
    return fn.times(this.spec.class).median(rows);
  }

  /**
   * Expected end of a run.
   * @param freeAt when the device has done what is before it.
   * @param loadedAt when its weights are there; not later than now where they are.
   */
  endOfRun(
    fn: FunctionState,
    rows: number,
    freeAt: number,
    loadedAt: number,
    runMs = this.runMs(fn, rows),
  ): number {
    if (!this.cluster.traits.overlapsLoads) return Math.max(loadedAt, freeAt) + runMs;
    if (loadedAt <= this.cluster.now) return freeAt + runMs;
    return Math.max(freeAt + runMs, loadedAt + fn.times(this.spec.class).coldTailMs(rows));
  }

  /** Whether another device of its node has the weights, and can give them. */
  hasPeerWith(fn: FunctionState): boolean {
    if (this.cluster.traits.peerBytesPerMs === undefined) return false;
    for (const holder of fn.holders)
      if (
        holder !== this &&
        holder.spec.node === this.spec.node &&
        holder.residences.get(fn)!.state === "resident"
      )
        return true;
    return false;
  }

  /** Expected time of a load that has the bus for itself. */
  aloneLoadMs(fn: FunctionState): number {
    if (this.hasPeerWith(fn))
      return this.#fixedLoadMs(fn) + fn.weightBytes / this.cluster.traits.peerBytesPerMs!;
    return this.#fixedLoadMs(fn) + fn.weightBytes / (this.#rates.median ?? this.spec.loadBytesPerMs);
  }

  /** Expected time of a load that is asked for now: behind those of the device, beside those of others on its bus. */
  loadMs(fn: FunctionState): number {
    const aloneMs = this.aloneLoadMs(fn);
    return this.hasPeerWith(fn) ? aloneMs : this.loadedInMs(aloneMs);
  }

  /** As `loadMs`, of loads one after another. @param aloneMs of all of them, with the bus for themselves. */
  loadedInMs(aloneMs: number): number {
    const { bus, cluster } = this;
    const lineMs = bus.lineMs(cluster.now, this) + aloneMs;
    return lineMs + bus.besideMs(cluster.now, this, lineMs);
  }

  /** @param share of the bus that it had, above 0 to 1. */
  loadMeasured(fn: FunctionState, loadMs: number, share: number): void {
    const moving = loadMs - this.#fixedLoadMs(fn);
    if (moving > 0 && fn.weightBytes > 0) this.#rates.add(fn.weightBytes / (moving * share));
  }

  /** Whether it would cut a run and let others in between. */
  cuts(fn: FunctionState, rows: number): boolean {
    const { cutsFromMs = Number.POSITIVE_INFINITY } = this.spec;
    return fn.spec.isDivisible === true && this.runMs(fn, rows) > cutsFromMs;
  }

  /** Milliseconds of work that it has been given. */
  backlogMs(now: number): number {
    return this.backlog.leftMs(now) + this.cutBacklog.leftMs(now);
  }

  /** Milliseconds before a run could begin that goes in between parts of those that it cuts. */
  backlogBetweenMs(now: number): number {
    const partMs = this.cutBacklog.isEmpty
      ? 0
      : Math.min(this.cutBacklog.leftMs(now), this.spec.cutsFromMs ?? 0);
    return this.backlog.leftMs(now) + partMs;
  }

  /** What a load takes without its bytes. */
  #fixedLoadMs(fn: FunctionState): number {
    const startMs = this.cluster.traits.coldStart === "process" ? (fn.spec.coldStartMs ?? 0) : 0;
    return (this.spec.loadFixedMs ?? 0) + startMs;
  }
}
