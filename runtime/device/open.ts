/**
 * From an implementation of WebGPU to a GPUDevice with the limits that Dawnlet wants, and what to call the adapter.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { GpuOptions, OpenGpu } from "../platform/platform.ts";
import type { DeviceDescription } from "./api.ts";

/**
 * How to open WebGPU for an adapter. SwiftShader takes ten times as long to compile a shader that has the driver zero
 * its workgroup memory (MNIST's seven pipelines: 5.7 s against 0.65 s) as one in which Dawn writes the zeros itself.
 * Either way the memory is zeroed.
 */
export function gpuOptionsFor(adapter: AdapterChoice): GpuOptions {
  const { implementation, backend, adapter: name, isSoftware } = adapter;
  const disable = ["use_vulkan_zero_initialize_workgroup_memory_extension"];
  return {
    implementation,
    backend,
    adapter: name,
    ...(isSoftware === true ? { dawnFeatures: { disable } } : {}),
  };
}

/** What a process must know of the adapter before it opens WebGPU. */
export interface AdapterChoice {
  readonly implementation?: "dawn" | "native" | undefined;
  readonly backend?: "null" | undefined;
  /** Part of its name, where a driver shows several. */
  readonly adapter?: string | undefined;
  readonly isSoftware?: boolean | undefined;
}

export interface OpenDeviceOptions {
  readonly open: OpenGpu;
  readonly backend?: "null" | undefined;
  /**
   * `all`: everything that the adapter has, to run any Program. `portable`: only what practically every WebGPU has,
   * plus buffer sizes, so that what is recorded on the device runs elsewhere too.
   */
  readonly ask: "all" | "portable";
  /** No more than this is asked for: what other devices have. Left out: no bound. */
  readonly most?: DeviceBounds | undefined;
}

/** What a Program may need so that it runs on several devices. */
export type DeviceBounds = Pick<DeviceDescription, "features" | "limits">;

export interface OpenedDevice {
  readonly device: GPUDevice;
  readonly adapter: DeviceDescription["adapter"];
}

const sizeLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
] as const;

const computeLimits = [
  ...sizeLimits,
  "maxUniformBufferBindingSize",
  "maxUniformBuffersPerShaderStage",
  "maxBindGroups",
  "maxBindingsPerBindGroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;

const computeFeatures: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];
const portableFeatures: readonly GPUFeatureName[] = ["shader-f16"];

/** @throws DawnletError NO_ADAPTER */
export async function openDevice({ open, backend, ask, most }: OpenDeviceOptions): Promise<OpenedDevice> {
  const adapter = await open.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new DawnletError("NO_ADAPTER", "WebGPU found no adapter");
  const requiredLimits: Record<string, number> = {};
  for (const name of ask === "all" ? computeLimits : sizeLimits) {
    const limit: number | undefined = adapter.limits[name];
    if (limit !== undefined) requiredLimits[name] = Math.min(limit, most?.limits[name] ?? limit);
  }
  const wanted = ask === "all" ? computeFeatures : portableFeatures;
  const requiredFeatures = wanted.filter(
    (feature) => adapter.features.has(feature) && (most === undefined || most.features.includes(feature)),
  );
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  const { info } = adapter;
  return {
    device,
    adapter: {
      vendor: info.vendor,
      architecture: info.architecture,
      device: info.device,
      description: info.description,
      isSoftware: isSoftware(info),
      implementation: open.implementation,
      backend: backend ?? "",
    },
  };
}

/** Names that drivers give to a GPU that is a CPU. */
function isSoftware(info: GPUAdapterInfo): boolean {
  const isFallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  return (
    isFallback ||
    /swiftshader|llvmpipe|lavapipe|basic render/i.test(
      `${info.device} ${info.description} ${info.architecture}`,
    )
  );
}
