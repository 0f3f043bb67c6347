/** One submit of many small dispatches, for any GPUDevice. */

const dispatches = 100;
const workgroupSize = 64;
const elements = 4096;

export interface SubmitProgram {
  /** Encodes and submits; the GPU may still be busy then. */
  submit(): void;
  /** Encodes, submits, and waits until the GPU is done. */
  run(): Promise<void>;
  /** A number that depends on all that was done so far. */
  check(): Promise<number>;
}

export async function prepareProgram(device: GPUDevice): Promise<SubmitProgram> {
  const module = device.createShaderModule({
    code: `
@group(0) @binding(0) var<storage, read> before: array<u32>;
@group(0) @binding(1) var<storage, read_write> after: array<u32>;
@compute @workgroup_size(${workgroupSize}) fn main(@builtin(global_invocation_id) at: vec3u) {
  after[at.x] = before[at.x] + 1u;
}`,
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module, entryPoint: "main" },
  });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  const [a, b] = [0, 1].map(() => device.createBuffer({ size: 4 * elements, usage })) as [
    GPUBuffer,
    GPUBuffer,
  ];
  const layout = pipeline.getBindGroupLayout(0);
  const groups = [
    [a, b],
    [b, a],
  ].map((buffers) =>
    device.createBindGroup({
      layout,
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
  const submit = () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    for (let i = 0; i < dispatches; i++) {
      pass.setBindGroup(0, groups[i % 2]!);
      pass.dispatchWorkgroups(elements / workgroupSize);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  };
  return {
    submit,
    async run() {
      submit();
      await device.queue.onSubmittedWorkDone();
    },
    async check() {
      const staging = device.createBuffer({
        size: 4,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(a, 4 * (elements - 1), staging, 0, 4);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const [value] = new Uint32Array(staging.getMappedRange());
      staging.destroy();
      return value!;
    },
  };
}

/** Milliseconds: of one run from its beginning to its end, and of one of many that are submitted behind each other. */
export interface Measured {
  readonly runMs: number;
  readonly submitMs: number;
}

const queued = 20;

export async function measureProgram(program: SubmitProgram): Promise<Measured> {
  let startedAt = performance.now();
  await program.run();
  const runMs = performance.now() - startedAt;
  startedAt = performance.now();
  for (let i = 1; i < queued; i++) program.submit();
  await program.run();
  return { runMs, submitMs: (performance.now() - startedAt) / queued };
}

/** Dispatches of a call of `measureProgram`: what `check` must have grown by. */
export const checkGrowth = dispatches * (queued + 1);
export const dispatchesASubmit = dispatches;
