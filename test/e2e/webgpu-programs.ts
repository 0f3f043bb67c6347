/**
 * Programs for WebGPU that know nothing of where they run: each is given a device of its own and answers plain data. The
 * test runs them beside the device, and as the source of a handler.
 */

export interface GpuProgram {
  readonly name: string;
  run(device: GPUDevice, gpu: GPU): Promise<unknown>;
}

function upload(device: GPUDevice, values: Uint32Array | Float32Array, usage: number): GPUBuffer {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const all = usage | STORAGE | COPY_SRC | COPY_DST;
  const buffer = device.createBuffer({ size: values.byteLength, usage: all });
  device.queue.writeBuffer(buffer, 0, values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  return buffer;
}

async function readBack(device: GPUDevice, buffer: GPUBuffer): Promise<Uint32Array> {
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = device.createBuffer({ size: buffer.size, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Uint32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

function pipelineOf(
  device: GPUDevice,
  code: string,
  entryPoint = "main",
  constants: Record<string, number> = {},
): GPUComputePipeline {
  const module = device.createShaderModule({ code });
  return device.createComputePipeline({ layout: "auto", compute: { module, entryPoint, constants } });
}

function groupOf(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  buffers: readonly GPUBuffer[],
): GPUBindGroup {
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  return device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
}

/** Numbers below 2^32, the same each time. */
function randomNumbers(count: number): Uint32Array {
  let state = 12_345;
  return Uint32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 7;
  });
}

const prefixSum: GpuProgram = {
  name: "prefix sums of blocks, of the sums of blocks, and both added, in three passes",
  async run(device) {
    const count = 10_000;
    const block = 256;
    const blocks = Math.ceil(count / block);
    const scan = `
override block: u32 = 64;
@group(0) @binding(0) var<storage, read_write> values: array<u32>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;
var<workgroup> shared_values: array<u32, 256>;
@compute @workgroup_size(block) fn main(@builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let at = local.x;
  shared_values[at] = select(0u, values[id.x], id.x < arrayLength(&values));
  for (var step = 1u; step < block; step *= 2u) {
    workgroupBarrier();
    var more = 0u;
    if (at >= step) { more = shared_values[at - step]; }
    workgroupBarrier();
    shared_values[at] += more;
  }
  if (id.x < arrayLength(&values)) { values[id.x] = shared_values[at]; }
  if (at == block - 1u) { sums[group.x] = shared_values[at]; }
}`;
    const add = `
@group(0) @binding(0) var<storage, read_write> values: array<u32>;
@group(0) @binding(1) var<storage, read> sums: array<u32>;
@compute @workgroup_size(${block}) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  if (group.x > 0u && id.x < arrayLength(&values)) { values[id.x] += sums[group.x - 1u]; }
}`;
    const values = upload(device, randomNumbers(count), 0);
    const sums = upload(device, new Uint32Array(blocks), 0);
    const all = upload(device, new Uint32Array(1), 0);
    const scanning = pipelineOf(device, scan, "main", { block });
    const adding = pipelineOf(device, add);
    const encoder = device.createCommandEncoder();
    for (const [pipeline, buffers, groups] of [
      [scanning, [values, sums], blocks],
      [scanning, [sums, all], 1],
      [adding, [values, sums], blocks],
    ] as const) {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, groupOf(device, pipeline, buffers));
      pass.dispatchWorkgroups(groups);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
    const found = await readBack(device, values);
    let sum = 0;
    const expected = randomNumbers(count).map((value) => {
      sum = (sum + value) >>> 0;
      return sum;
    });
    return { isRight: found.every((value, i) => value === expected[i]), last: found.at(-1) };
  },
};

const life: GpuProgram = {
  name: "the game of life on a torus, between two buffers in turns",
  async run(device) {
    const side = 48;
    const pipeline = pipelineOf(
      device,
      `
@group(0) @binding(0) var<storage, read> now: array<u32>;
@group(0) @binding(1) var<storage, read_write> then: array<u32>;
const side = ${side}u;
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {
  var alive = 0u;
  for (var i = 0u; i < 9u; i++) {
    let x = (id.x + side - 1u + i % 3u) % side;
    let y = (id.y + side - 1u + i / 3u) % side;
    if (i != 4u) { alive += now[y * side + x]; }
  }
  let at = id.y * side + id.x;
  then[at] = u32(alive == 3u || (alive == 2u && now[at] == 1u));
}`,
    );
    const first = randomNumbers(side * side).map((value) => value & 1);
    const cells = [upload(device, first, 0), upload(device, new Uint32Array(first.length), 0)];
    const groups = [groupOf(device, pipeline, cells), groupOf(device, pipeline, cells.toReversed())];
    const turns = 25;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({ label: "life" });
    pass.setPipeline(pipeline);
    for (let turn = 0; turn < turns; turn++) {
      pass.setBindGroup(0, groups[turn % 2]!);
      pass.dispatchWorkgroups(side / 8, side / 8);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
    const found = await readBack(device, cells[turns % 2]!);
    let expected: Uint32Array = first;
    for (let turn = 0; turn < turns; turn++) expected = nextGeneration(expected, side);
    return { isRight: found.every((cell, i) => cell === expected[i]), alive: found.reduce((a, b) => a + b) };
  },
};

function nextGeneration(cells: Uint32Array, side: number): Uint32Array {
  return cells.map((cell, at) => {
    let alive = 0;
    for (let i = 0; i < 9; i++) {
      const x = (at + side - 1 + (i % 3)) % side;
      const y = (Math.floor(at / side) + side - 1 + Math.floor(i / 3)) % side;
      if (i !== 4) alive += cells[y * side + x]!;
    }
    return Number(alive === 3 || (alive === 2 && cell === 1));
  });
}

const matrices: GpuProgram = {
  name: "matrices multiplied by tiles in workgroup memory, with sizes in a uniform and layouts of its own",
  async run(device) {
    const [rows, inner, columns] = [37, 53, 29] as const;
    const { STORAGE, UNIFORM, COPY_DST, COPY_SRC } = GPUBufferUsage;
    const module = device.createShaderModule({
      code: `
@group(0) @binding(0) var<uniform> sizes: vec3u;
@group(1) @binding(0) var<storage, read> a: array<f32>;
@group(1) @binding(1) var<storage, read> b: array<f32>;
@group(1) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> a_tile: array<array<f32, 8>, 8>;
var<workgroup> b_tile: array<array<f32, 8>, 8>;
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let rows = sizes.x; let inner = sizes.y; let columns = sizes.z;
  var sum = 0.0;
  for (var tile = 0u; tile < inner; tile += 8u) {
    let x = tile + at.x; let y = tile + at.y;
    a_tile[at.y][at.x] = select(0.0, a[id.y * inner + x], id.y < rows && x < inner);
    b_tile[at.y][at.x] = select(0.0, b[y * columns + id.x], y < inner && id.x < columns);
    workgroupBarrier();
    for (var k = 0u; k < 8u; k++) { sum += a_tile[at.y][k] * b_tile[k][at.x]; }
    workgroupBarrier();
  }
  if (id.y < rows && id.x < columns) { c[id.y * columns + id.x] = sum; }
}`,
    });
    const visibility = GPUShaderStage.COMPUTE;
    const sizesLayout = device.createBindGroupLayout({
      entries: [{ binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } }],
    });
    const dataLayout = device.createBindGroupLayout({
      entries: (["read-only-storage", "read-only-storage", "storage"] as const).map((type, binding) => ({
        binding,
        visibility,
        buffer: { type },
      })),
    });
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [sizesLayout, dataLayout] }),
      compute: { module },
    });
    const sizes = device.createBuffer({ size: 512, usage: UNIFORM | COPY_DST, mappedAtCreation: true });
    new Uint32Array(sizes.getMappedRange(256, 16)).set([rows, inner, columns]);
    sizes.unmap();
    // Small whole numbers: their sums are exact.
    const small = (count: number) => Float32Array.from(randomNumbers(count), (value) => (value % 17) - 8);
    const [a, b] = [small(rows * inner), small(inner * columns)];
    const c = device.createBuffer({ size: rows * columns * 4, usage: STORAGE | COPY_SRC });
    const buffers = [upload(device, a, 0), upload(device, b, 0), c];
    const data = device.createBindGroup({
      layout: dataLayout,
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const stated = device.createBindGroup({
      layout: sizesLayout,
      entries: [{ binding: 0, resource: { buffer: sizes, size: 16 } }],
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, stated, [256]);
    pass.setBindGroup(1, data);
    pass.dispatchWorkgroups(Math.ceil(columns / 8), Math.ceil(rows / 8));
    pass.end();
    device.queue.submit([encoder.finish()]);
    const found = new Float32Array((await readBack(device, c)).buffer);
    const expected = Float32Array.from({ length: rows * columns }, (_, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a[row * inner + k]! * b[k * columns + column]!;
      return sum;
    });
    return { isRight: found.every((value, i) => value === expected[i]), sum: found.reduce((x, y) => x + y) };
  },
};

const indirect: GpuProgram = {
  name: "as many workgroups as another shader says, and atomics",
  async run(device) {
    const code = `
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
@compute @workgroup_size(1) fn decide() { counts[1] = 7u; counts[2] = 3u; counts[3] = 2u; }
@group(0) @binding(1) var<storage, read_write> total: array<atomic<u32>>;
@compute @workgroup_size(5) fn count(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) at: u32) {
  atomicAdd(&total[0], 1u);
  atomicMax(&total[1], group.x * 100u + group.y * 10u + group.z);
  atomicAdd(&total[2 + at % 2u], 1u);
}`;
    const deciding = pipelineOf(device, code, "decide");
    const counting = pipelineOf(device, code, "count");
    const counts = upload(device, new Uint32Array(4), GPUBufferUsage.INDIRECT);
    const total = upload(device, Uint32Array.of(9, 9, 9, 9), 0);
    const bind = (pipeline: GPUComputePipeline, binding: number, buffer: GPUBuffer) =>
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [{ binding, resource: { buffer } }],
      });
    const encoder = device.createCommandEncoder();
    encoder.pushDebugGroup("all");
    encoder.clearBuffer(total, 0);
    const first = encoder.beginComputePass();
    first.setPipeline(deciding);
    first.setBindGroup(0, bind(deciding, 0, counts));
    first.dispatchWorkgroups(1);
    first.end();
    const second = encoder.beginComputePass();
    second.insertDebugMarker("count");
    second.setPipeline(counting);
    second.setBindGroup(0, bind(counting, 1, total));
    second.dispatchWorkgroupsIndirect(counts, 4);
    second.end();
    encoder.popDebugGroup();
    device.queue.submit([encoder.finish()]);
    return [...(await readBack(device, total))];
  },
};

const timestamps: GpuProgram = {
  name: "timestamps around a pass",
  async run(device) {
    if (!device.features.has("timestamp-query")) return "no timestamps";
    const querySet = device.createQuerySet({ type: "timestamp", count: 4 });
    const { QUERY_RESOLVE, COPY_SRC } = GPUBufferUsage;
    const resolved = device.createBuffer({ size: 512, usage: QUERY_RESOLVE | COPY_SRC });
    const pipeline = pipelineOf(
      device,
      "@group(0) @binding(0) var<storage, read_write> x: array<u32>; @compute @workgroup_size(1) fn main() { x[0] += 1u; }",
    );
    const encoder = device.createCommandEncoder();
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 1, endOfPassWriteIndex: 2 };
    const pass = encoder.beginComputePass({ timestampWrites });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, groupOf(device, pipeline, [upload(device, new Uint32Array(1), 0)]));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.resolveQuerySet(querySet, 1, 2, resolved, 256);
    device.queue.submit([encoder.finish()]);
    const [begin, end] = new BigUint64Array((await readBack(device, resolved)).buffer, 256, 2);
    querySet.destroy();
    return { count: querySet.count, type: querySet.type, isBegun: begin! > 0n, isEndLater: end! >= begin! };
  },
};

const mapping: GpuProgram = {
  name: "mapped buffers: at creation, in parts, for writing, and what is refused",
  async run(device) {
    const { MAP_READ, MAP_WRITE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const source = device.createBuffer({ size: 64, usage: MAP_WRITE | COPY_SRC, mappedAtCreation: true });
    const states: unknown[] = [source.mapState];
    new Uint32Array(source.getMappedRange(0, 8)).set([1, 2]);
    new Uint32Array(source.getMappedRange(16, 16)).set([3, 4, 5, 6]);
    states.push(nameOfThrown(() => source.getMappedRange(24, 8)));
    source.unmap();
    states.push(
      source.mapState,
      nameOfThrown(() => source.getMappedRange()),
    );
    const target = device.createBuffer({ size: 64, usage: MAP_READ | COPY_DST });
    const copy = () => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, target);
      device.queue.submit([encoder.finish()]);
    };
    copy();
    const pending = target.mapAsync(GPUMapMode.READ);
    states.push(target.mapState);
    await pending;
    const first = [...new Uint32Array(target.getMappedRange())];
    target.unmap();
    await source.mapAsync(GPUMapMode.WRITE, 8, 16);
    const range = source.getMappedRange(8, 16);
    new Uint32Array(range).set([7, 8], 1);
    source.unmap();
    states.push(range.byteLength);
    copy();
    await target.mapAsync(GPUMapMode.READ, 8, 24);
    const second = [...new Uint32Array(target.getMappedRange(8, 24))];
    target.unmap();
    const aborted = target.mapAsync(GPUMapMode.READ);
    target.unmap();
    states.push(await nameOfRejection(aborted));
    device.pushErrorScope("validation");
    states.push(await nameOfRejection(target.mapAsync(GPUMapMode.WRITE)));
    states.push((await device.popErrorScope()) instanceof GPUValidationError);
    target.destroy();
    return { first, second, states };
  },
};

function nameOfThrown(action: () => unknown): string {
  try {
    action();
    return "nothing";
  } catch (error) {
    return (error as Error).name;
  }
}

async function nameOfRejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing",
    (error: Error) => error.name,
  );
}

const errors: GpuProgram = {
  name: "error scopes, errors that nobody catches, and pipelines that cannot be made",
  async run(device) {
    const kinds = (error: GPUError | null) => {
      if (error === null) return null;
      if (error instanceof GPUValidationError) return "validation";
      return error instanceof GPUOutOfMemoryError ? "out-of-memory" : "other";
    };
    const { MAP_READ, STORAGE, UNIFORM } = GPUBufferUsage;
    device.pushErrorScope("validation");
    device.pushErrorScope("out-of-memory");
    device.createBuffer({ size: 16, usage: MAP_READ | STORAGE });
    const inner = await device.popErrorScope();
    const outer = await device.popErrorScope();
    const empty = await nameOfRejection(device.popErrorScope());

    const uncaptured = new Promise<GPUUncapturedErrorEvent>((resolve) => {
      device.addEventListener(
        "uncapturederror",
        (event) => {
          event.preventDefault();
          resolve(event);
        },
        { once: true },
      );
    });
    device.createBindGroup({
      layout: device.createBindGroupLayout({ entries: [] }),
      entries: [{ binding: 3, resource: { buffer: device.createBuffer({ size: 16, usage: UNIFORM }) } }],
    });
    const { error } = await uncaptured;

    device.pushErrorScope("validation");
    const module = device.createShaderModule({
      code: "@compute @workgroup_size(1) fn main() {\n  let x: u32 = 1.5;\n}",
    });
    const info = await module.getCompilationInfo();
    const shader = await device.popErrorScope();
    const messages = info.messages.map(({ type, lineNum }) => ({ type, lineNum }));
    const good = device.createShaderModule({ code: "@compute @workgroup_size(1) fn main() {}" });
    const failed = await device
      .createComputePipelineAsync({ layout: "auto", compute: { module: good, entryPoint: "other" } })
      .then(
        () => "made",
        (failure: GPUPipelineError) => [failure.name, failure.reason, failure instanceof GPUPipelineError],
      );
    const made = await device.createComputePipelineAsync({ layout: "auto", compute: { module: good } });
    return {
      scopes: [kinds(inner), kinds(outer), empty],
      uncaptured: [kinds(error), typeof error.message, error.message.length > 0],
      compilation: [kinds(shader), messages],
      pipelines: [failed, made instanceof GPUComputePipeline],
    };
  },
};

const loss: GpuProgram = {
  name: "a device that is destroyed is lost, and another one is not",
  async run(device, gpu) {
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const other = await (await gpu.requestAdapter())!.requestDevice({ label: "other" });
    const buffer = other.createBuffer({ size: 16, usage: MAP_READ | COPY_DST });
    const mapping = nameOfRejection(buffer.mapAsync(GPUMapMode.READ));
    other.destroy();
    const { reason } = await other.lost;
    // Nothing throws at once, and nothing waits for ever.
    other.pushErrorScope("validation");
    other.createBuffer({ size: 16, usage: 0 });
    const encoder = other.createCommandEncoder();
    encoder.clearBuffer(buffer);
    other.queue.submit([encoder.finish()]);
    await other.queue.onSubmittedWorkDone();
    const still = upload(device, Uint32Array.of(5), 0);
    const alive = [...(await readBack(device, still))];
    const isLost = await Promise.race([device.lost.then(() => true), Promise.resolve(false)]);
    return { reason, mapping: await mapping, label: other.label, alive, isLost };
  },
};

const description: GpuProgram = {
  name: "what adapter and device say of themselves",
  async run(device, gpu) {
    const adapter = (await gpu.requestAdapter())!;
    const { maxComputeWorkgroupSizeX, minStorageBufferOffsetAlignment } = device.limits;
    const refused = await nameOfRejection(
      adapter.requestDevice({ requiredLimits: { maxBindGroups: 10_000 } }),
    );
    const unknown = await nameOfRejection(
      adapter.requestDevice({ requiredFeatures: ["no-such-feature" as GPUFeatureName] }),
    );
    const pipeline = pipelineOf(device, "@compute @workgroup_size(1) fn main() {}");
    return {
      isIn: [gpu instanceof GPU, adapter instanceof GPUAdapter, device instanceof GPUDevice],
      names: [device, device.queue, pipeline].map((object) => object.constructor.name),
      tags: [device, device.queue, pipeline].map((object) => Object.prototype.toString.call(object)),
      limits: [maxComputeWorkgroupSizeX >= 256, minStorageBufferOffsetAlignment <= 256],
      adapter: [
        typeof adapter.info.vendor,
        typeof adapter.info.architecture,
        adapter.features.has("nothing"),
      ],
      refused: [refused, unknown],
      format: typeof gpu.wgslLanguageFeatures.has("packed_4x8_integer_dot_product"),
    };
  },
};

export const gpuPrograms: readonly GpuProgram[] = [
  prefixSum,
  life,
  matrices,
  indirect,
  timestamps,
  mapping,
  errors,
  loss,
  description,
];
