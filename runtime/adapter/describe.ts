/**
 * What a GPUAdapter says of itself, as plain data.
 */
import type { DeviceDescription } from "../device/api.ts";

/** Names of drivers that compute on the CPU, where an implementation does not say so itself. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|software|microsoft basic render/i;

/** `implementation` as `OpenGpu` names it; `backend` is `null` for Dawn's null backend. */
export function describeAdapter(
  adapter: GPUAdapter,
  implementation: string,
  backend: "null" | "default" = "default",
): DeviceDescription {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  // Names live on the prototype as getters: for-in finds them, Object.keys does not.
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value: unknown = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  return {
    adapter: {
      vendor,
      architecture,
      device,
      description,
      isSoftware: isFallbackAdapter || softwareNames.test(`${architecture} ${device} ${description}`),
      implementation,
      backend,
    },
    features: [...adapter.features].sort(),
    limits,
  };
}
