/**
 * The cold-start benchmark's child: records a model into files, or does what a user of ONNX Runtime Web does to get a
 * first output. One task a process.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { platform } from "#platform";
import type { Tensor, TensorSpec } from "../../kernels/tensor.ts";
import { decodeModel } from "../../models/onnx/model.ts";
import { readSignature } from "../../models/onnx/signature.ts";
import { createGpuSession, type GpuTensor } from "../../models/ort.ts";
import { prepareVariant } from "../../models/prepare.ts";
import { recordModel } from "../../models/record/record.ts";
import { acceptSharedMemory } from "../../models/record/shared-memory.ts";
import { sampleDomains, sampleTensor } from "../../models/verify/samples.ts";
import { Layouts } from "../../runtime/device/layouts.ts";
import { openDevice } from "../../runtime/device/open.ts";
import { blobPath } from "../../runtime/device/protocol.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";
import { type OrtPhases, ortParams, recordParams } from "./protocol.ts";

async function open(backend: "null" | undefined) {
  const gpu = await platform.openGpu({ backend });
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu.gpu, configurable: true });
  return openDevice({ open: gpu, backend, ask: "portable" });
}

async function record(params: unknown): Promise<void> {
  const { backend, modelPath, folder } = v.parse(recordParams, params);
  const { device } = await open(backend);
  const { gpu, gpuInputs } = prepareVariant(await readFile(modelPath), () => undefined, {});
  const samples = [samplesOf(gpuInputs, 1), samplesOf(gpuInputs, 2)] as const;
  const request = { device, layouts: new Layouts(device), files: gpu, inputs: gpuInputs, samples };
  await recordModel(request, async ({ program, weights }) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "program.json"), JSON.stringify(program));
    for (const [digest, bytes] of weights) {
      const path = blobPath(join(folder, "blobs"), digest);
      await mkdir(join(path, ".."), { recursive: true });
      await writeFile(path, bytes);
    }
  });
}

async function runOrt(params: unknown): Promise<OrtPhases> {
  const { backend, modelPath } = v.parse(ortParams, params);
  const startedAt = performance.now();
  const { device } = await open(backend);
  acceptSharedMemory(device);
  await import("onnxruntime-web/jspi");
  const engineAt = performance.now();
  const model = await readFile(modelPath);
  const session = await createGpuSession(device, { model });
  const sessionAt = performance.now();
  const specs = readSignature(decodeModel(model)).inputs as readonly TensorSpec[];
  const samples = samplesOf(specs, 1);
  const inputs = specs.map((spec, i): GpuTensor => ({ spec, buffer: upload(device, samples[i]!) }));
  const beforeRun = performance.now();
  const { outputs } = await session.run(inputs);
  for (const { buffer } of outputs) await download(device, buffer);
  const doneAt = performance.now();
  // What the benchmark itself does to make inputs counts for nobody.
  return { engineMs: engineAt - startedAt, sessionMs: sessionAt - engineAt, runMs: doneAt - beforeRun };
}

function samplesOf(specs: readonly TensorSpec[], seed: number): Tensor[] {
  return specs.map((spec, i) => sampleTensor(spec, sampleDomains[0]!, seed * 100 + i));
}

function upload(device: GPUDevice, { data }: Tensor): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage });
  device.queue.writeBuffer(buffer, 0, data as Uint8Array<ArrayBuffer>);
  return buffer;
}

async function download(device: GPUDevice, buffer: GPUBuffer): Promise<Uint8Array> {
  const staging = device.createBuffer({
    size: buffer.size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return new Uint8Array(staging.getMappedRange()).slice();
}

const port = await platform.connectParent();
serveRpc(port, {
  record: async (params) => {
    await record(params);
    return {};
  },
  runOrt: async (params) => ({ result: await runOrt(params) }),
});
await port.closed;
platform.exit(0);
