/**
 * How much memory a device may take where nobody states it: most of what its driver says it has. A software GPU, and
 * one that shares the host's memory, gets a part of that.
 */
import type { DeviceDescription } from "../../runtime/device/api.ts";
import type { GpuMemory } from "../../runtime/platform/platform.ts";

export interface DeviceMemoryDefault {
  readonly bytes: number;
  /** For the log: where the number comes from. */
  readonly from: string;
}

/** Host memory holds the host tier and this process as well. */
const shareOfHost = 1 / 4;
/** The driver, and whoever else draws, need some. */
const shareOfOwn = 0.85;
/** Where nothing is known. */
const assumedBytes = 4 * 2 ** 30;
const sharesHostMemory = /^(apple|intel|qualcomm|arm)$/i;

/**
 * @param hostBytes all memory that this machine, or its container, has.
 * @param gpus what the system says of its GPUs.
 */
export function defaultDeviceMemory(
  { vendor, device, description, isSoftware }: DeviceDescription["adapter"],
  hostBytes: number,
  gpus: readonly GpuMemory[],
): DeviceMemoryDefault {
  if (isSoftware || sharesHostMemory.test(vendor))
    return { bytes: Math.floor(hostBytes * shareOfHost), from: "a quarter of the host's memory" };
  const possible = gpus.filter((gpu) => gpu.vendor === vendor.toLowerCase());
  const named = possible.filter(({ name }) => name !== "" && `${device} ${description}`.includes(name));
  const sizes = (named.length > 0 ? named : possible).map(({ sizeBytes }) => sizeBytes);
  if (sizes.length === 0) return { bytes: assumedBytes, from: "a guess: --device-memory states it" };
  // Of GPUs that cannot be told apart the smallest.
  return { bytes: Math.floor(Math.min(...sizes) * shareOfOwn), from: "what its driver says" };
}
