/**
 * The contestant: one function as a process of its own with an ONNX Runtime Web session on WebGPU, which it keeps.
 * Counts the GPUBuffers that live in it.
 */
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { platform } from "#platform";
import { tensorBytes } from "../../kernels/tensor.ts";
import { createGpuSession, type GpuSession } from "../../models/ort.ts";
import { acceptSharedMemory } from "../../models/record/shared-memory.ts";
import { gpuOptionsFor, openDevice } from "../../runtime/device/open.ts";
import { adapterChoice } from "../../runtime/device/protocol.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";

const openParams = v.object({ ...adapterChoice, modelPath: v.string(), width: v.number() });

let liveBytes = 0;
let serving: GpuSession | undefined;

function countBuffers(device: GPUDevice): void {
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    let isAlive = true;
    liveBytes += descriptor.size;
    buffer.destroy = () => {
      if (isAlive) liveBytes -= descriptor.size;
      isAlive = false;
      return destroy();
    };
    return buffer;
  };
}

/** Ready once it has run. */
async function open(params: unknown): Promise<void> {
  const { modelPath, width, ...adapter } = v.parse(openParams, params);
  const opened = await platform.openGpu(gpuOptionsFor(adapter));
  Object.defineProperty(globalThis.navigator, "gpu", { value: opened.gpu, configurable: true });
  const { device } = await openDevice({ open: opened, backend: adapter.backend, ask: "all" });
  acceptSharedMemory(device);
  countBuffers(device);
  const session = await createGpuSession(device, { model: await readFile(modelPath) });
  const spec = { name: "data", dataType: "float32", shape: [1, width] } as const;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: tensorBytes(spec.dataType, spec.shape), usage });
  const { download, dispose } = await session.run([{ spec, buffer }]);
  await download();
  dispose();
  // Kept, as a process that serves would.
  serving = session;
}

const port = await platform.connectParent();
serveRpc(port, {
  open: async (params) => {
    await open(params);
    return {};
  },
  deviceBytes: async () => {
    if (serving === undefined) throw new Error("Nothing is open");
    return { result: liveBytes };
  },
});
await port.closed;
platform.exit(0);
