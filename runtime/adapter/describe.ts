/**
 * What a GPUAdapter says of itself, as plain data.
 */
import type { AdapterDescription } from "../device/api.ts";
import { plainLimits } from "../device/limits.ts";

/** Names of drivers that compute on the CPU, where an implementation does not say so itself. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|software|microsoft basic render/i;

/** `implementation` as `OpenGpu` names it; `backend` is `null` for Dawn's null backend. */
export function describeAdapter(
  adapter: GPUAdapter,
  implementation: string,
  backend: "null" | "default" = "default",
): AdapterDescription {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
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
    limits: plainLimits(adapter.limits),
  };
}
