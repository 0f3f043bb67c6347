/** Runs in the page: what the harness's own test asks of it. */
import { platform } from "#platform";
import { computesCorrectly } from "../../../runtime/adapter/computes.ts";
import { describeAdapter } from "../../../runtime/adapter/describe.ts";
import { parseDescription } from "../../../runtime/adapter/probe-protocol.ts";
import { exposeFunctions, wrapFunctions } from "../../../runtime/port/comlink.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";

const gpuWorker = new URL("../../runtime/platform/children/gpu.ts", import.meta.url);
const echoWorker = new URL("../../runtime/platform/children/echo.ts", import.meta.url);

export function surroundings(): unknown {
  return { runtime: platform.runtime, isIsolated: globalThis.crossOriginIsolated };
}

export async function computeInPage(): Promise<unknown> {
  const { gpu, implementation } = await platform.openGpu();
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("no adapter");
  const device = await adapter.requestDevice();
  const isCorrect = await computesCorrectly(device);
  device.destroy();
  // What leaves the page must be read again from plain data, by valibot.
  return { isCorrect, description: parseDescription(describeAdapter(adapter, implementation)) };
}

export async function computeInWorker(): Promise<unknown> {
  const worker = platform.spawnWorker(gpuWorker, { name: "gpu" });
  const { result } = await new RpcClient(worker.port).call("compute", {});
  await worker.terminate();
  return result;
}

export async function callWorker(sizeBytes: number): Promise<unknown> {
  const worker = platform.spawnWorker(echoWorker);
  const client = new RpcClient(worker.port, { closedCode: "DEVICE_LOST" });
  const given = new Uint8Array(sizeBytes).fill(3);
  const { attachments } = await client.call("echo", null, [given], { give: true });
  const refusal = await client.call("refuse").catch((error: unknown) => error);
  const hanging = client.call("hang").catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await worker.terminate();
  const codes = [refusal, await hanging].map((error) => (error as { code?: string }).code);
  return { sum: attachments[0]!.reduce((total, byte) => total + byte, 0), left: given.byteLength, codes };
}

export async function brokenWorker(): Promise<unknown> {
  const errors: string[] = [];
  const worker = platform.spawnWorker(new URL("./nowhere.ts", import.meta.url), {
    onError: (error) => errors.push(error.message),
  });
  await worker.port.closed;
  return errors.length;
}

export async function callByComlink(): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  exposeFunctions({ add: (a: number, b: number) => a + b }, port2);
  return wrapFunctions<{ add: (a: number, b: number) => number }>(port1).add(2, 3);
}

export async function readBlob(path: string, offset: number, sizeBytes: number): Promise<unknown> {
  const target = new Uint8Array(sizeBytes);
  try {
    await platform.readBlob(path, offset, target);
    return [...target];
  } catch (error) {
    return (error as { code?: string }).code;
  }
}
