/** A set of several device processes in memory, and Programs to run on it. */
import { DeviceSet, type DeviceSetOptions } from "../../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import { FakeDevice } from "./fake-device.ts";

const kib = 1024;

/** Each has room for 7 KiB of weights. */
export function fakeDevices(
  count: number,
  options: Partial<Omit<DeviceSetOptions, "devices">> = {},
): { readonly links: readonly FakeDevice[]; readonly set: DeviceSet } {
  const links = Array.from({ length: count }, (_, i) => new FakeDevice(`gpu${i}`));
  const devices = links.map((link) => ({ link, kind: "gpu", deviceBytes: 8 * kib }) as const);
  return { links, set: new DeviceSet({ devices, policy: evictionPolicies.lru, ...options }) };
}

/** A Program with one weight. */
export function program(id: string, kibibytes: number): OwnedProgram {
  const weights = kibibytes === 0 ? [] : [{ digest: `w-${id}`, sizeBytes: kibibytes * kib }];
  const readJson = async () => new Uint8Array();
  return { id, weights, isDivisible: false, options: { writesBeforeReads: true }, readJson };
}

export function functionOn(set: DeviceSet, name: string, settings = defaultMemorySettings): FunctionDevice {
  return new FunctionDevice(set, { name, version: 1, settings });
}

/** Lets what is under way reach the devices: no timers, only promises. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
