import { platform } from "#platform";
const open = await platform.openGpu({ backend: "null", dawnFeatures: process.argv[2] ? { enable: process.argv[2].split(",") } : {} });
const adapter = (await open.gpu.requestAdapter())!;
const device = await adapter.requestDevice();
const src = (op: string) => `@group(0) @binding(0) var<storage,read> a: array<f32>; @group(0) @binding(1) var<storage,read> w: array<f32>; @group(0) @binding(2) var<storage,read_write> b: array<f32>; @group(0) @binding(3) var<uniform> u: vec4f; @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) i: vec3u) { b[i.x] = a[i.x] ${op} u.x + w[i.x]; }`;
const bgl = device.createBindGroupLayout({ entries: (["read-only-storage", "read-only-storage", "storage", "uniform"] as const).map((type, binding) => ({ binding, visibility: 4, buffer: { type } })) });
const layout = device.createPipelineLayout({ bindGroupLayouts: [bgl] });
const mk = (op: string) => device.createComputePipeline({ layout, compute: { module: device.createShaderModule({ code: src(op) }) } });
const p1 = mk("+"), p2 = mk("*");
const B = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
const W = device.createBuffer({ size: 1 << 20, usage: B }), x = device.createBuffer({ size: 1024, usage: B }), y = device.createBuffer({ size: 1024, usage: B }), u = device.createBuffer({ size: 256 * 128, usage: GPUBufferUsage.UNIFORM | B });
const N = 100;
const groups = Array.from({ length: N }, (_, i) => device.createBindGroup({ layout: bgl, entries: [{ binding: 0, resource: { buffer: i & 1 ? x : y } }, { binding: 1, resource: { buffer: W, offset: i * 1024, size: 1024 } }, { binding: 2, resource: { buffer: i & 1 ? y : x } }, { binding: 3, resource: { buffer: u, offset: i * 256, size: 16 } }] }));
const steps = groups.map((g, i) => ({ pipeline: i & 1 ? p2 : p1, groups: [g], x: 4, y: 1, z: 1 }));
const time = (name: string, f: (pass: GPUComputePassEncoder) => void) => {
  const res: number[] = [], fin: number[] = [], sub: number[] = [];
  for (let r = 0; r < 1500; r++) {
    const e = device.createCommandEncoder(); const pass = e.beginComputePass();
    let t = performance.now();
    f(pass);
    let t2 = performance.now();
    pass.end(); const c = e.finish(); const t3 = performance.now(); device.queue.submit([c]); const t4 = performance.now();
    if (r > 700) { res.push((t2 - t) * 1000 / N); fin.push((t3 - t2) * 1000 / N); sub.push((t4 - t3) * 1000 / N); }
  }
  const m = (a: number[]) => a.sort((x, y) => x - y)[a.length >> 1]!.toFixed(3);
  console.log(name.padEnd(34), "µs/step", m(res), "finish", m(fin), "submit", m(sub));
};
time("3 args", (p) => { for (const s of steps) { p.setPipeline(s.pipeline); p.setBindGroup(0, s.groups[0]!); p.dispatchWorkgroups(s.x, s.y, s.z); } });
time("1 arg", (p) => { for (const s of steps) { p.setPipeline(s.pipeline); p.setBindGroup(0, s.groups[0]!); p.dispatchWorkgroups(s.x); } });
time("1 group", (p) => { for (const s of steps) { p.setPipeline(s.pipeline); p.setBindGroup(0, steps[0]!.groups[0]!); p.dispatchWorkgroups(s.x); } });
time("1 pipeline", (p) => { p.setPipeline(p1); for (const s of steps) { p.setBindGroup(0, s.groups[0]!); p.dispatchWorkgroups(s.x); } });
time("bg only", (p) => { p.setPipeline(p1); for (const s of steps) { p.setBindGroup(0, s.groups[0]!); } });
time("dispatch only", (p) => { p.setPipeline(p1); p.setBindGroup(0, steps[0]!.groups[0]!); for (const s of steps) { p.dispatchWorkgroups(s.x); } });
process.exit(0);
