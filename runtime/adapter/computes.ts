/** One dispatch with read-back: whether a device really computes. */

const count = 256;

/** Squares 256 integers and compares. Leaves nothing on the device. */
export async function computesCorrectly(device: GPUDevice): Promise<boolean> {
  const sizeBytes = 4 * count;
  const code = `
    @group(0) @binding(0) var<storage, read_write> values: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      values[id.x] = values[id.x] * values[id.x];
    }`;
  const values = device.createBuffer({
    size: sizeBytes,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  });
  const read = device.createBuffer({
    size: sizeBytes,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  try {
    device.queue.writeBuffer(
      values,
      0,
      Uint32Array.from({ length: count }, (_, index) => index),
    );
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const layout = pipeline.getBindGroupLayout(0);
    pass.setBindGroup(
      0,
      device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: values } }] }),
    );
    pass.dispatchWorkgroups(count / 64);
    pass.end();
    encoder.copyBufferToBuffer(values, 0, read, 0, sizeBytes);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    return new Uint32Array(read.getMappedRange()).every((value, index) => value === index * index);
  } finally {
    values.destroy();
    read.destroy();
  }
}
