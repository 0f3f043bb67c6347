/** A child process, or a worker of it, that opens a GPU and computes: for tests. */
import { platform } from "#platform";
import { computesCorrectly } from "../../../../runtime/adapter/computes.ts";
import type { GpuOptions } from "../../../../runtime/platform/platform.ts";
import { RpcClient } from "../../../../runtime/port/rpc-client.ts";
import { serveRpc } from "../../../../runtime/port/rpc-server.ts";

serveRpc(await platform.connectParent(), {
  async compute(params) {
    const { gpu, implementation } = await platform.openGpu(params as GpuOptions);
    const device = await (await gpu.requestAdapter())!.requestDevice();
    const isCorrect = await computesCorrectly(device);
    device.destroy();
    return { result: { implementation, isCorrect, usage: GPUBufferUsage.STORAGE } };
  },
  async computeInWorker() {
    const worker = platform.spawnWorker(new URL(import.meta.url));
    const { result } = await new RpcClient(worker.port).call("compute", {});
    return { result };
  },
});
