/**
 * A GPU for tests: one Dawn device a test process, on whatever adapter the environment names (test/setup.ts
 * chooses a software one where there is no GPU). Real executor, real shaders.
 */
import { create, globals } from "webgpu";
import type { Program } from "../kernels/program/program.ts";
import type { WeightSource } from "../runtime/device/api.ts";
import { DeviceService, type DeviceServiceOptions } from "../runtime/device/service.ts";
import type { UploadChoice } from "../runtime/device/upload-path.ts";
import { MemoryWeights } from "../runtime/device/weights.ts";

let opened: Promise<GPUDevice> | undefined;
/** Kept: Dawn stops answering once the object that `create` gave is collected. */
let gpu: GPU | undefined;

/** The test process's device, with the adapter's own limits for buffers and bindings. */
export function testDevice(): Promise<GPUDevice> {
  opened ??= open();
  return opened;
}

async function open(): Promise<GPUDevice> {
  Object.assign(globalThis, globals);
  gpu = create(["disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension"]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null)
    throw new Error("No WebGPU adapter: install Chromium (Debian: apt-get install chromium)");
  const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } = adapter.limits;
  return adapter.requestDevice({
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage },
  });
}

/** A DeviceService on the test device whose weights come from memory. */
export function testService(
  weights: ReadonlyMap<string, Uint8Array> = new Map(),
  budgetBytes = 2 ** 30,
  hostBudgetBytes = 0,
  upload?: UploadChoice,
  options: Pick<DeviceServiceOptions, "sliceMs"> = {},
): Promise<DeviceService> {
  return testServiceFrom(new MemoryWeights(weights), {
    ...{ budgetBytes, hostBudgetBytes, upload },
    ...options,
  });
}

/** The same whose weights come from anywhere. */
export async function testServiceFrom(
  weights: WeightSource,
  options: Partial<DeviceServiceOptions> = {},
): Promise<DeviceService> {
  const adapter = {
    vendor: "",
    architecture: "",
    device: "",
    description: "test",
    isSoftware: true,
    implementation: "dawn",
    backend: "vulkan",
  };
  return new DeviceService({
    device: await testDevice(),
    adapter,
    weights,
    budgetBytes: 2 ** 30,
    ...options,
  });
}

/**
 * Loads a Program, runs it once, unloads it.
 * @param inputs bytes by position in `Program.inputs`.
 * @returns bytes by position in `Program.outputs`.
 */
export async function runProgram(
  program: Program,
  weights: ReadonlyMap<string, Uint8Array>,
  inputs: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const service = await testService(weights);
  await service.load("test", program, { writesBeforeReads: false });
  const { outputs } = await service.run({ program: "test", inputs });
  await service.unload("test");
  return [...outputs];
}
