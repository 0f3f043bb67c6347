/** What the scheduler knows of a function: its settings, where its weights are, how long it takes, how often it is called. */
import { neverUsed, type UseRate, usesPerSecond, withUse } from "../eviction/use-rate.ts";
import type { DeviceState } from "./device-state.ts";
import { RunTimes } from "./run-times.ts";
import type { FunctionSpec } from "./specs.ts";

export class FunctionState {
  readonly id: string;
  spec: FunctionSpec;
  /** Devices that hold its weights, or are getting them. */
  readonly holders = new Set<DeviceState>();
  /** Requests that have no end yet. */
  waiting = 0;
  running = 0;
  uses = 0;
  isRemoved = false;
  #rate: UseRate = neverUsed();
  /** By class of devices. */
  readonly #times = new Map<string, RunTimes>();
  /** What was asked for last: mostly it is asked for again. */
  #lastClass: string | undefined;
  #lastTimes = new RunTimes();

  constructor(spec: FunctionSpec) {
    this.id = spec.id;
    this.spec = spec;
    this.#know(spec);
  }

  /** Takes over changed settings. What was measured stays. */
  configure(spec: FunctionSpec): void {
    this.spec = spec;
    this.#know(spec);
  }

  get weightBytes(): number {
    return this.spec.weightBytes;
  }

  get batchLimit(): number {
    return this.spec.batchLimit ?? 1;
  }

  /** What is removed leaves, pinned or not. */
  get isPinned(): boolean {
    return this.spec.isPinned === true && !this.isRemoved;
  }

  get occupancy(): number {
    return this.spec.occupancy ?? 1;
  }

  times(deviceClass: string): RunTimes {
    if (deviceClass === this.#lastClass) return this.#lastTimes;
    let times = this.#times.get(deviceClass);
    if (times === undefined) {
      times = new RunTimes();
      this.#times.set(deviceClass, times);
    }
    this.#lastClass = deviceClass;
    this.#lastTimes = times;
    return times;
  }

  /** By class of devices. */
  get allTimes(): ReadonlyMap<string, RunTimes> {
    return this.#times;
  }

  used(now: number): void {
    this.uses++;
    this.#rate = withUse(this.#rate, now);
  }

  usesPerSecond(now: number): number {
    return usesPerSecond(this.#rate, now);
  }

  canRunOn(device: DeviceState): boolean {
    return !this.isRefusedBy(device.spec.class);
  }

  isRefusedBy(deviceClass: string): boolean {
    return this.spec.refusedBy?.includes(deviceClass) === true;
  }

  #know({ known = [] }: FunctionSpec): void {
    for (const { class: deviceClass, batch, runMs } of known) this.times(deviceClass).know(batch, runMs);
  }
}
