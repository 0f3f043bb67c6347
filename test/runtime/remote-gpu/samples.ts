/** Code for any GPUDevice, which knows nothing of what is behind it. Each gives bytes that depend on all that it does. */

export interface Sample {
  readonly name: string;
  run(device: GPUDevice): Promise<Uint8Array>;
}

const storage = 0x80;
const copySource = 0x4;
const copyTarget = 0x8;
const mapRead = 0x1;
const mapWrite = 0x2;
const uniform = 0x40;
const indirect = 0x100;

async function readBack(device: GPUDevice, buffer: GPUBuffer, size = buffer.size): Promise<Uint8Array> {
  const staging = device.createBuffer({ size, usage: mapRead | copyTarget });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const bytes = new Uint8Array(staging.getMappedRange()).slice();
  staging.unmap();
  staging.destroy();
  return bytes;
}

function upload(
  device: GPUDevice,
  values: Float32Array | Uint32Array,
  usage = storage | copySource,
): GPUBuffer {
  const buffer = device.createBuffer({ size: values.byteLength, usage, mappedAtCreation: true });
  new Uint8Array(buffer.getMappedRange()).set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  buffer.unmap();
  return buffer;
}

/** Small whole numbers, so that sums are exact. */
function ramp(length: number, step: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (i * step) % 97);
}

export const vectorSample: Sample = {
  name: "adds vectors, with a layout made by the device",
  async run(device) {
    const module = device.createShaderModule({
      code: `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) at: vec3u) {
  if (at.x < arrayLength(&sum)) { sum[at.x] = a[at.x] + b[at.x]; }
}`,
    });
    const pipeline = device.createComputePipeline({
      layout: "auto",
      compute: { module, entryPoint: "main" },
    });
    const [a, b] = [upload(device, ramp(1000, 3)), upload(device, ramp(1000, 5))];
    const sum = device.createBuffer({ size: 4000, usage: storage | copySource });
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [a, b, sum].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(Math.ceil(1000 / 64));
    pass.end();
    device.queue.submit([encoder.finish()]);
    return readBack(device, sum);
  },
};

const dynamicOffsets: Sample = {
  name: "steps through one uniform buffer by dynamic offsets, in layouts of its own",
  async run(device) {
    const alignment = device.limits.minUniformBufferOffsetAlignment;
    const module = device.createShaderModule({
      code: `
override factor: f32 = 1;
struct Step { add: f32, at: u32 }
@group(0) @binding(0) var<uniform> step: Step;
@group(1) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(1) fn apply() { values[step.at] = values[step.at] * factor + step.add; }`,
    });
    const steps = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: 4, buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 8 } },
      ],
    });
    const values = device.createBindGroupLayout({
      entries: [{ binding: 0, visibility: 4, buffer: { type: "storage" } }],
    });
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [steps, values] }),
      compute: { module, entryPoint: "apply", constants: { factor: 3 } },
    });
    const parameters = device.createBuffer({ size: 8 * alignment, usage: uniform | copyTarget });
    for (let i = 0; i < 8; i++) {
      const words = new Uint32Array([0, (i * 3) % 4]);
      new Float32Array(words.buffer)[0] = i + 0.5;
      device.queue.writeBuffer(parameters, i * alignment, words);
      // What is written is taken at once.
      words.fill(7);
    }
    const result = upload(device, ramp(4, 7));
    const stepGroup = device.createBindGroup({
      layout: steps,
      entries: [{ binding: 0, resource: { buffer: parameters, size: 8 } }],
    });
    const valueGroup = device.createBindGroup({
      layout: values,
      entries: [{ binding: 0, resource: { buffer: result } }],
    });
    const encoder = device.createCommandEncoder({ label: "steps" });
    const pass = encoder.beginComputePass({ label: "all" });
    pass.pushDebugGroup("steps");
    pass.setPipeline(pipeline);
    pass.setBindGroup(1, valueGroup);
    for (let i = 0; i < 8; i++) {
      if (i % 2 === 0) pass.setBindGroup(0, stepGroup, [i * alignment]);
      else pass.setBindGroup(0, stepGroup, new Uint32Array([99, i * alignment, 99]), 1, 1);
      pass.dispatchWorkgroups(1);
    }
    pass.insertDebugMarker("done");
    pass.popDebugGroup();
    pass.end();
    device.queue.submit([encoder.finish()]);
    return readBack(device, result);
  },
};

const prefixSum: Sample = {
  name: "sums prefixes in several passes, ping and pong",
  async run(device) {
    const length = 512;
    const module = device.createShaderModule({
      code: `
struct Distance { by: u32 }
@group(0) @binding(0) var<storage, read> before: array<u32>;
@group(0) @binding(1) var<storage, read_write> after: array<u32>;
@group(0) @binding(2) var<uniform> distance: Distance;
@compute @workgroup_size(64) fn step(@builtin(global_invocation_id) at: vec3u) {
  var value = before[at.x];
  if (at.x >= distance.by) { value += before[at.x - distance.by]; }
  after[at.x] = value;
}`,
    });
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
    const values = Uint32Array.from({ length }, (_, i) => (i * 7) % 11);
    const buffers = [upload(device, values), upload(device, new Uint32Array(length))] as const;
    const encoder = device.createCommandEncoder();
    let from = 0;
    for (let by = 1; by < length; by *= 2) {
      const distance = upload(device, new Uint32Array([by]), uniform);
      const group = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [buffers[from]!, buffers[1 - from]!, distance].map((buffer, binding) => ({
          binding,
          resource: { buffer },
        })),
      });
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(length / 64);
      pass.end();
      from = 1 - from;
    }
    device.queue.submit([encoder.finish()]);
    return readBack(device, buffers[from]!);
  },
};

const indirectDispatch: Sample = {
  name: "dispatches as many workgroups as a shader has written, clears and copies parts",
  async run(device) {
    const module = device.createShaderModule({
      code: `
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1) fn choose() { out[0] = 5; out[1] = 2; out[2] = 1; }
@compute @workgroup_size(1) fn count(@builtin(workgroup_id) id: vec3u) { out[id.x + id.y * 8] = id.x + 10 * id.y + 1; }`,
    });
    const counts = device.createBuffer({ size: 16, usage: storage | indirect | copySource });
    const out = upload(device, new Uint32Array(16).fill(77), storage | copySource | copyTarget);
    const run = (entryPoint: string, buffer: GPUBuffer, dispatch: (pass: GPUComputePassEncoder) => void) => {
      const pipeline = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint } });
      const group = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [{ binding: 0, resource: { buffer } }],
      });
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      dispatch(pass);
      pass.end();
      return encoder;
    };
    const choose = run("choose", counts, (pass) => pass.dispatchWorkgroups(1));
    const count = run("count", out, (pass) => pass.dispatchWorkgroupsIndirect(counts, 0));
    count.clearBuffer(out, 56);
    count.copyBufferToBuffer(counts, 0, out, 24, 8);
    device.queue.submit([choose.finish(), count.finish()]);
    return readBack(device, out);
  },
};

const mappedWrites: Sample = {
  name: "writes parts of a mapped buffer and keeps the rest",
  async run(device) {
    const staging = device.createBuffer({ size: 64, usage: mapWrite | copySource, mappedAtCreation: true });
    new Uint32Array(staging.getMappedRange(0, 16)).fill(1);
    new Uint32Array(staging.getMappedRange(32, 32)).fill(3);
    staging.unmap();
    const target = device.createBuffer({ size: 128, usage: copySource | copyTarget });
    const copy = (to: number) => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(staging, 0, target, to, 64);
      device.queue.submit([encoder.finish()]);
    };
    copy(0);
    await staging.mapAsync(2, 16, 16);
    new Uint32Array(staging.getMappedRange(16, 16))[1] = 9;
    staging.unmap();
    copy(64);
    await device.queue.onSubmittedWorkDone();
    return readBack(device, target);
  },
};

export const samples: readonly Sample[] = [
  vectorSample,
  dynamicOffsets,
  prefixSum,
  indirectDispatch,
  mappedWrites,
];
