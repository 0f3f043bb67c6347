/**
 * Zeros behind the end of a tensor whose size is no multiple of 4: copies take whole words, and a Program may leave
 * anything in the last one. One invocation that clears the bytes that do not belong to it.
 */

/** As many workgroups as the last word has bytes that count; the first does the work. */
const code = `
@group(0) @binding(0) var<storage, read_write> tail: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(num_workgroups) rest: vec3u, @builtin(workgroup_id) group: vec3u) {
  if (group.x > 0u) { return; }
  let last = arrayLength(&tail) - 1u;
  tail[last] = tail[last] & ((1u << (8u * rest.x)) - 1u);
}`;

export class TailMask {
  readonly #device: GPUDevice;
  /** Made when it is first needed: most tensors are whole words. */
  #pipeline: GPUComputePipeline | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** @param buffer a storage buffer of `sizeBytes`, rounded up to whole words. */
  encode(encoder: GPUCommandEncoder, buffer: GPUBuffer, sizeBytes: number): void {
    const rest = sizeBytes % 4;
    if (rest === 0) return;
    this.#pipeline ??= this.#device.createComputePipeline({
      layout: "auto",
      compute: { module: this.#device.createShaderModule({ code }), entryPoint: "main" },
    });
    const last = sizeBytes - rest;
    const offset = last - (last % this.#device.limits.minStorageBufferOffsetAlignment);
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(
      0,
      this.#device.createBindGroup({
        layout: this.#pipeline.getBindGroupLayout(0),
        entries: [{ binding: 0, resource: { buffer, offset, size: last + 4 - offset } }],
      }),
    );
    pass.dispatchWorkgroups(rest);
    pass.end();
  }
}
