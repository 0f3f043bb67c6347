/** What is measured on one device holds for others of its class: those on equal adapters, driver and WebGPU included. */
import { createHash } from "node:crypto";
import type { DeviceDescription } from "../../runtime/device/api.ts";

/** Part of the names of records: 16 hex digits, which tell people nothing. */
export function deviceClassOf(adapter: DeviceDescription["adapter"]): string {
  const { vendor, architecture, device, description, implementation, backend } = adapter;
  const words = JSON.stringify([vendor, architecture, device, description, implementation, backend]);
  return createHash("sha256").update(words).digest("hex").slice(0, 16);
}
