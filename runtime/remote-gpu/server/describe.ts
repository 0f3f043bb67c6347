/** What a remote client is told of the device that it shares. */
import { plainLimits } from "../../device/limits.ts";
import type { RemoteAdapterDescription } from "../protocol.ts";

/** @param budgetBytes of one client: no buffer of its can be larger. */
export function describeRemote(
  device: GPUDevice,
  budgetBytes = Number.POSITIVE_INFINITY,
): RemoteAdapterDescription {
  const limits = plainLimits(device.limits);
  for (const name of ["maxBufferSize", "maxStorageBufferBindingSize"] as const)
    if (limits[name] !== undefined) limits[name] = Math.min(limits[name], budgetBytes);
  const { vendor = "", architecture = "", device: name = "", description = "" } = device.adapterInfo ?? {};
  const isFallbackAdapter =
    (device.adapterInfo as { isFallbackAdapter?: boolean } | undefined)?.isFallbackAdapter === true;
  return {
    features: [...device.features],
    limits,
    info: { vendor, architecture, device: name, description, isFallbackAdapter },
  };
}
