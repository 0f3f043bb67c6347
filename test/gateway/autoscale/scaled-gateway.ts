/**
 * An autoscaler at work on devices in memory, with a clock that tests move: calls, ticks, and what the devices are told.
 * The scheduling policy is one that brings nothing in by itself.
 */
import { type AutoscaleOptions, Autoscaler } from "../../../gateway/autoscale/autoscaler.ts";
import type { DeviceSetListener } from "../../../gateway/devices/device-events.ts";
import { DeviceSet } from "../../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import { schedulingPolicies } from "../../../gateway/scheduler/policies/policies.ts";
import { defaultMemorySettings, type MemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import { FakeDevice } from "../devices/fake-device.ts";
import { settled } from "../devices/fake-devices.ts";

export const intervalMs = 10_000;
const kib = 1024;

export class ScaledGateway {
  now = 0;
  /** Each with room for 7 KiB of weights. */
  readonly links: readonly FakeDevice[];
  readonly set: DeviceSet;
  readonly dispatcher: Dispatcher;
  readonly autoscaler: Autoscaler;
  /** Deployed. */
  readonly versions = new Set<FunctionDevice>();

  constructor(devices: number, options: AutoscaleOptions = {}) {
    const now = () => this.now;
    const listener: DeviceSetListener = {
      resident: (...told) => this.dispatcher.resident(...told),
      evicted: (device, id) => this.dispatcher.evicted(device, id),
      loadMeasured: (...told) => this.dispatcher.loadMeasured(...told),
      budget: (...told) => this.dispatcher.budget(...told),
      up: (device) => this.dispatcher.up(device),
      down: (device) => this.dispatcher.down(device),
    };
    this.links = Array.from({ length: devices }, (_, i) => new FakeDevice(`gpu${i}`));
    this.set = new DeviceSet({
      devices: this.links.map((link) => ({ link, kind: "gpu", class: "fake", deviceBytes: 8 * kib })),
      policy: evictionPolicies.lru,
      ...{ listener, now },
    });
    this.autoscaler = new Autoscaler({ intervalMs, now, ...options });
    this.dispatcher = new Dispatcher({
      ...{ devices: this.set, policy: schedulingPolicies.lalb, now },
      onCall: (owner, answer) => this.autoscaler.calls.called(owner, answer),
    });
    const { set, dispatcher, versions } = this;
    this.autoscaler.start({ devices: set, replicas: dispatcher.replicas, versions: () => versions });
  }

  deploy(name: string, settings: Partial<MemorySettings> = {}, version = 1): FunctionDevice {
    const owner = { name, version, settings: { ...defaultMemorySettings, ...settings } };
    const deployed = new FunctionDevice(this.set, owner, this.dispatcher);
    this.versions.add(deployed);
    return deployed;
  }

  async remove(version: FunctionDevice): Promise<void> {
    this.versions.delete(version);
    for (const { id } of version.programs) await version.unload(id);
  }

  /** One call after another, each of which takes so long on the device. */
  async call(version: FunctionDevice, program: OwnedProgram, count = 1, gpuMs = 100): Promise<void> {
    for (let i = 0; i < count; i++) {
      const prepared = { inputs: [], keep: undefined, outputs: [], wanted: undefined, batch: undefined };
      const answer = version.submit({ type: "program", program, ...prepared }, {});
      await settled();
      const link = this.links.find(({ running }) => running.some(({ id }) => id === program.id))!;
      link.end(program.id, undefined, 0, gpuMs);
      await answer;
      // The scheduler hears of it a little later.
      await settled();
    }
  }

  /** So much time passes, a tick at the end of each interval. */
  async pass(intervals: number): Promise<void> {
    for (let i = 0; i < intervals; i++) {
      this.now += intervalMs;
      this.autoscaler.tick();
      await settled();
    }
  }

  /** By device, since the last time. */
  told(): readonly (readonly string[])[] {
    return this.links.map((link) => link.told.splice(0));
  }

  /** By device: what is on it. */
  get there(): readonly (readonly string[])[] {
    return this.set.devices.map(({ managed }) =>
      [...managed.residency.residences].filter(({ isOn }) => isOn).map(({ id }) => id),
    );
  }

  /** Replicas by device, as reported. */
  get replicas(): Readonly<Record<string, readonly string[]>> {
    const { devices } = this.autoscaler.report();
    return Object.fromEntries(devices.map(({ id, replicas }) => [id, replicas.map((one) => one.function)]));
  }
}
