/** The gateway's autoscaler beside a simulated scheduler: each function is a version with one Program, on one node. */
import { type AutoscaleOptions, Autoscaler } from "../../gateway/autoscale/autoscaler.ts";
import type { ScaledDevice, ScaledVersion } from "../../gateway/autoscale/version-demand.ts";
import type { ProgramOwner } from "../../gateway/devices/owner.ts";
import type { Cluster } from "../../gateway/scheduler/core/cluster.ts";
import type { SchedulerEvent } from "../../gateway/scheduler/core/events.ts";
import { defaultMemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { SimulatedDevice, SimulatedFunction } from "./cluster-model.ts";
import type { Bystander } from "./simulation.ts";

type Tell = (event: SchedulerEvent) => void;

export class SimulatedAutoscaler implements Bystander {
  readonly intervalMs = 10_000;
  readonly #autoscaler: Autoscaler | undefined;
  readonly #versions: ReadonlyMap<string, ScaledVersion>;
  readonly #devices: readonly SimulatedDevice[];
  #now = 0;
  #cluster: Cluster | undefined;
  #tell: Tell = () => {};
  #ticks = 0;
  #residentBytes = 0;

  /** @param options Left out: it only looks how much is on the devices. */
  constructor(
    devices: readonly SimulatedDevice[],
    functions: readonly SimulatedFunction[],
    options: AutoscaleOptions | undefined,
  ) {
    this.#devices = devices;
    this.#versions = new Map(functions.map((one) => [one.id, versionOf(one)]));
    if (options === undefined) return;
    const { intervalMs } = this;
    this.#autoscaler = new Autoscaler({ ...options, intervalMs, now: () => this.#now, isTimed: false });
    this.#autoscaler.start({
      devices: { devices: devices.map((spec, index) => this.#device(spec, index)), dropHost: async () => {} },
      replicas: {
        unitsOf: (owner) => [this.#cluster!.function(owner.name)],
        want: (owner, device) => this.#want(owner, device),
        letGo: (owner, device, reason) => this.#letGo(owner, device, reason),
      },
      versions: () => this.#versions.values(),
    });
  }

  /** On all devices together, in the mean over the ticks. */
  get meanResidentBytes(): number {
    return this.#residentBytes / this.#ticks;
  }

  called(fn: string, now: number): void {
    this.#now = now;
    this.#autoscaler?.calls.began(this.#versions.get(fn)!.owner);
  }

  answered(fn: string, now: number): void {
    this.#now = now;
    this.#autoscaler?.calls.ended(this.#versions.get(fn)!.owner);
  }

  tick(now: number, cluster: Cluster, tell: Tell): void {
    this.#now = now;
    this.#cluster = cluster;
    this.#tell = tell;
    this.#autoscaler?.tick();
    this.#ticks++;
    for (const { usedBytes } of cluster.devices) this.#residentBytes += usedBytes;
  }

  #device({ id, class: kind, budgetBytes }: SimulatedDevice, index: number): ScaledDevice {
    return {
      ...{ id, index, class: kind, budgetBytes, isUp: true },
      stateOf: (fn) => this.#cluster?.device(id).residenceOf(fn)?.state ?? "absent",
      pins: () => false,
    };
  }

  #want({ name }: ProgramOwner, index: number): boolean {
    return this.#changes(name, index, (device) => ({ type: "wanted", device, function: name }));
  }

  #letGo({ name }: ProgramOwner, index: number, reason: string): boolean {
    return this.#changes(name, index, (device) => ({ type: "unwanted", device, function: name, reason }));
  }

  /** @returns whether the weights have come or gone. */
  #changes(name: string, index: number, event: (device: string) => SchedulerEvent): boolean {
    const { id } = this.#devices[index]!;
    const isThere = () => this.#cluster!.device(id).residenceOf(name) !== undefined;
    const wasThere = isThere();
    this.#tell(event(id));
    return isThere() !== wasThere;
  }
}

function versionOf({ id, weightBytes }: SimulatedFunction): ScaledVersion {
  return {
    owner: { name: id, version: 1, settings: defaultMemorySettings },
    programs: [{ id, weights: [{ digest: id, sizeBytes: weightBytes }] }],
    misfits: undefined,
  };
}
