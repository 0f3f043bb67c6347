/**
 * Whether 16-bit floats compute what they should: drivers exist that offer `shader-f16` and round wrongly.
 * Sums and products of two halves are rounded correctly by specification, so every bit is compared.
 */

const count = 256;

/** Two results in one word: the square of i / 16 and its sum with 1 / 3, each rounded to 16 bits. */
const code = `
  enable f16;
  @group(0) @binding(0) var<storage, read_write> results: array<u32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    let x = f16(id.x) / 16h;
    let third = bitcast<vec2<f16>>(0x3555u).x;
    results[id.x] = bitcast<u32>(vec2<f16>(x * x, x + third));
  }`;

/**
 * @param device with the feature `shader-f16`. Nothing is left on it.
 * @returns how many of the results are wrong.
 */
export async function countWrongHalves(device: GPUDevice): Promise<number> {
  const size = 4 * count;
  const results = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const read = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  try {
    const compute = { module: device.createShaderModule({ code }) };
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute });
    const layout = pipeline.getBindGroupLayout(0);
    const entries = [{ binding: 0, resource: { buffer: results } }];
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(count / 64);
    pass.end();
    encoder.copyBufferToBuffer(results, 0, read, 0, size);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    return wrongHalves(new Uint16Array(read.getMappedRange()));
  } finally {
    results.destroy();
    read.destroy();
  }
}

/** @param bits square and sum of each i, one after the other. */
export function wrongHalves(bits: Uint16Array): number {
  const third = new Float16Array(new Uint16Array([0x3555]).buffer)[0]!;
  const expected = new Float16Array(2 * count);
  for (let i = 0; i < count; i++) {
    const x = i / 16;
    expected[2 * i] = x * x;
    expected[2 * i + 1] = x + third;
  }
  return new Uint16Array(expected.buffer).reduce((wrong, right, i) => wrong + (bits[i] === right ? 0 : 1), 0);
}
