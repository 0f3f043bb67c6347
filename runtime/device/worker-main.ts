/**
 * A device in a worker: a Web Worker of a page, or a thread of Node or Deno. Opens one GPUDevice and serves
 * DeviceApi by Comlink to who started it. worker-functions.ts has the other end.
 */
import { platform } from "#platform";
import { gpuOptionsFor, openDevice } from "./open.ts";
import { blobPath } from "./protocol.ts";
import { DeviceService } from "./service.ts";
import { type GivenWeights, serveDevice, type WorkerOpenParams } from "./worker-functions.ts";

async function open(params: WorkerOpenParams, given: GivenWeights): Promise<DeviceService> {
  const { budgetBytes, blobFolder, ...choice } = params;
  const gpu = await platform.openGpu(gpuOptionsFor(choice));
  const { device, adapter } = await openDevice({ open: gpu, backend: choice.backend, ask: "all" });
  device.addEventListener("uncapturederror", ({ error }) => console.error(`uncaptured: ${error.message}`));
  const weights = {
    read: (digest: string, offset: number, target: Uint8Array) =>
      given.has(digest) || blobFolder === undefined
        ? given.read(digest, offset, target)
        : platform.readBlob(blobPath(blobFolder, digest), offset, target),
  };
  return new DeviceService({ device, adapter, weights, budgetBytes });
}

serveDevice(await platform.parentMessagePort(), open);
