/** The edges of a picture: plain WebGPU with a shader of the handler's own. */
import { decodeImage, encodePng, type Handler, type Image } from "dawnlet";
import shader from "./sobel.wgsl";

const { COPY_DST, COPY_SRC, MAP_READ, STORAGE, UNIFORM } = GPUBufferUsage;

/** Made by the first request; those that follow share it. */
let opened: ReturnType<typeof open> | undefined;

/** The next request opens another one. */
function forget() {
  opened = undefined;
}

async function open() {
  const adapter = await navigator.gpu.requestAdapter();
  if (adapter === null) throw new Error("no WebGPU adapter");
  const device = await adapter.requestDevice();
  void device.lost.then(forget);
  const module = device.createShaderModule({ code: shader });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  return { device, pipeline };
}

export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response("POST a PNG or JPEG\n", { status: 405 });
    const image = await decodeImage(await request.arrayBuffer(), { maxPixels: 2 ** 24 });
    if (opened === undefined) {
      opened = open();
      opened.catch(forget);
    }
    const { device, pipeline } = await opened;
    const data = await findEdges(device, pipeline, image);
    return new Response(encodePng({ ...image, data }), { headers: { "content-type": "image/png" } });
  },
} satisfies Handler;

async function findEdges(device: GPUDevice, pipeline: GPUComputePipeline, { width, height, data }: Image) {
  const bytes = data.byteLength;
  const size = device.createBuffer({ size: 8, usage: UNIFORM | COPY_DST });
  const picture = device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST });
  const edges = device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC });
  const result = device.createBuffer({ size: bytes, usage: MAP_READ | COPY_DST });
  device.queue.writeBuffer(size, 0, Uint32Array.of(width, height));
  device.queue.writeBuffer(picture, 0, data);
  const layout = pipeline.getBindGroupLayout(0);
  const entries = [size, picture, edges].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
  pass.dispatchWorkgroups(Math.ceil(width / 8), Math.ceil(height / 8));
  pass.end();
  encoder.copyBufferToBuffer(edges, 0, result, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(GPUMapMode.READ);
  const found = new Uint8Array(result.getMappedRange().slice(0));
  for (const buffer of [size, picture, edges, result]) buffer.destroy();
  return found;
}
