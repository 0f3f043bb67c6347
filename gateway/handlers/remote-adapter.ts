/** What a handler is told of the adapter: that of the device process, with no buffer larger than it may have. */
import type { DeviceDescription } from "../../runtime/device/api.ts";
import type { RemoteAdapterDescription } from "../../runtime/remote-gpu/protocol.ts";

const sizes = ["maxBufferSize", "maxStorageBufferBindingSize", "maxUniformBufferBindingSize"];

export function remoteAdapter(
  { adapter, features, limits }: DeviceDescription,
  budgetBytes: number,
): RemoteAdapterDescription {
  const own = Object.entries(limits).map(([name, value]) => [
    name,
    sizes.includes(name) ? Math.min(value, budgetBytes) : value,
  ]);
  const { vendor, architecture, device, description, isSoftware } = adapter;
  return {
    features,
    limits: Object.fromEntries(own),
    info: { vendor, architecture, device, description, isFallbackAdapter: isSoftware },
  };
}
