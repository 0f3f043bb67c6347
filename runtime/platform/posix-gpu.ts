/** Dawn by the npm package `webgpu`. Used by Node and Deno. */
import { DawnletError } from "../../kernels/errors.ts";
import type { GpuOptions, OpenGpu } from "./platform.ts";

/** Dawn's binding (0.6.2) crashes once the object that `create` gave is collected while its devices are used. */
const open = new Set<GPU>();

/** See `Platform.openGpu`. */
export async function openDawn(options: GpuOptions): Promise<OpenGpu> {
  // Lazy: only a process that opens a device pays for the addon.
  const dawn = await import("webgpu").catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DawnletError("NO_ADAPTER", `Cannot load Dawn, the package 'webgpu': ${why}`, { cause });
  });
  // In place of Deno's own too: ONNX Runtime asks whether a device is a `GPUDevice`, and means Dawn's.
  for (const [name, value] of Object.entries(dawn.globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const gpu = dawn.create(createOptions(options));
  open.add(gpu);
  return {
    gpu,
    implementation: "dawn",
    close: () => {
      open.delete(gpu);
    },
  };
}

function createOptions(options: GpuOptions): string[] {
  const { backend, adapter, dawnFeatures } = options;
  const list: string[] = [];
  if (backend) list.push(`backend=${backend}`);
  if (adapter) list.push(`adapter=${adapter}`);
  if (dawnFeatures?.enable?.length) list.push(`enable-dawn-features=${dawnFeatures.enable.join(",")}`);
  if (dawnFeatures?.disable?.length) list.push(`disable-dawn-features=${dawnFeatures.disable.join(",")}`);
  return list;
}
