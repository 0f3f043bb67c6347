/**
 * Handlers of tenants for a crowd: ten kinds of each tenant, every one with constants of its own, and what each must answer,
 * worked out here. Functions that they use: tables of weights, and a small model.
 */
import type { Tensor } from "../../kernels/tensor.ts";
import { createCpuSession } from "../../models/ort.ts";
import { buildResnet } from "../../models/zoo/resnet.ts";
import { shaderBundle } from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";
import { zipped } from "./zipped.ts";

/** Elements of inputs: 32 KiB, which stay on the device between runs. */
const count = 2 ** 13;
const tablesOfEach = 4;
const modelShape = [1, 3, 16, 16] as const;

/** Whole numbers below 2^32, the same for the same seed (Numerical Recipes' linear congruential generator). */
export function wholeNumbers(seed: number, length: number): Uint32Array<ArrayBuffer> {
  let state = Math.imul(seed + 1, 2_654_435_761) >>> 0;
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  });
}

/** A function that the handlers of a tenant use. */
export interface UsedBundle {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const tableElements = 2 ** 18;
const tableSeed = (tenant: number, table: number) => 100 * tenant + table;

/** `y[i] = 3 x[i] + w[(x[i] ^ i) % length]` with a table of 1 MiB. */
function tableBundle(seed: number): Uint8Array {
  const shader = `
@group(0) @binding(0) var<storage, read> w: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * 3u + w[(x[id.x] ^ id.x) % arrayLength(&w)]; }
}
`;
  const settings = {
    inputs: { x: { type: "uint32", shape: ["n"] } },
    outputs: { y: { type: "uint32", shape: ["n"] } },
    constants: { w: { type: "uint32", shape: [tableElements], file: "w.bin" } },
    steps: [{ kernel: "main", bind: { w: "w", x: "x", y: "y" }, workgroups: ["ceil(n / 64)"] }],
  };
  const content = new Uint8Array(wholeNumbers(seed, tableElements).buffer);
  return shaderBundle(shader, settings, [{ name: "w.bin", content }]);
}

function throughTable(seed: number, x: Uint32Array): Uint32Array {
  const w = tableOf(seed);
  return x.map((value, i) => Math.imul(value, 3) + w[((value ^ i) >>> 0) % tableElements]!);
}

const tables = new Map<number, Uint32Array>();

function tableOf(seed: number): Uint32Array {
  const table = tables.get(seed) ?? wholeNumbers(seed, tableElements);
  tables.set(seed, table);
  return table;
}

const modelOf = (tenant: number) =>
  buildResnet({ blocks: [1, 1], width: 0.25, imageSize: 16, classes: 10, batch: 1, seed: tenant });

/** What the handlers of a tenant use. */
export function usedBundles(tenant: number, name: string): readonly UsedBundle[] {
  const bundles = Array.from({ length: tablesOfEach }, (_, table) => ({
    name: `${name}-table-${table}`,
    bytes: tableBundle(tableSeed(tenant, table)),
  }));
  return [...bundles, { name: `${name}-model`, bytes: modelOf(tenant) }];
}

export interface CrowdCall {
  /** Behind the function's name. */
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Undefined where the answer is right. */
  readonly check: (answer: Uint8Array<ArrayBuffer>) => string | undefined;
}

export interface CrowdHandler {
  readonly name: string;
  readonly kind: string;
  readonly bundle: () => Promise<Uint8Array>;
  /** One call for each of some seeds. */
  readonly calls: readonly CrowdCall[];
}

const callsOfEach = 3;

/** The ten handlers of a tenant. @param name of the tenant, which their names begin with. */
export async function crowdHandlers(tenant: number, name: string): Promise<readonly CrowdHandler[]> {
  const own = (index: number) => 100 * tenant + index;
  const through = (x: Uint32Array, ...used: readonly number[]) =>
    used.reduce((value, table) => throughTable(tableSeed(tenant, table), value), x);
  const uses = (...used: readonly number[]) =>
    Object.fromEntries(used.map((table) => [`t${table}`, `${name}-table-${table}`]));
  const exact =
    (index: number, expected: (x: Uint32Array) => Uint32Array | string) =>
    (seed: number): CrowdCall => {
      const x = wholeNumbers(1000 * own(index) + seed, count);
      const right = expected(x);
      const bytes =
        typeof right === "string" ? new TextEncoder().encode(right) : new Uint8Array(right.slice().buffer);
      return { path: `call?seed=${seed}`, body: new Uint8Array(x.buffer), check: sameBytes(bytes) };
    };
  const handler = (
    index: number,
    kind: string,
    source: string,
    settings: Readonly<Record<string, unknown>>,
    call: (seed: number) => CrowdCall,
  ): CrowdHandler => ({
    name: `${name}-${kind}-${index}`,
    kind,
    bundle: () =>
      zipped({
        "function.json": {
          kind: "handler",
          ...settings,
          limits: { instances: 1, ...(settings.limits ?? {}) },
        },
        "handler.js": source,
      }),
    calls: Array.from({ length: callsOfEach }, (_, seed) => call(seed)),
  });

  const chain = (first: number, second: number) =>
    `export default { async fetch(request, env) {
       let x = new Uint32Array(await request.arrayBuffer());
       for (const step of [env.t${first}, env.t${second}, env.t${first}]) {
         const { y } = await step.run({ x });
         if (x.dispose) x.dispose();
         x = y;
       }
       const data = await x.data();
       x.dispose();
       return new Response(data);
     } };`;
  const [plainKey, streamKey] = [own(5), own(7)];
  const digest = (x: Uint32Array, key: number) =>
    x.reduce((hash, value) => Math.imul(hash ^ value, 16_777_619) >>> 0, key);
  const reference = await modelReference(tenant);

  return [
    handler(
      0,
      "chain",
      chain(0, 1),
      { uses: uses(0, 1) },
      exact(0, (x) => through(x, 0, 1, 0)),
    ),
    handler(
      1,
      "chain",
      chain(2, 3),
      { uses: uses(2, 3) },
      exact(1, (x) => through(x, 2, 3, 2)),
    ),
    handler(
      2,
      "parallel",
      `export default { async fetch(request, env) {
         const x = new Uint32Array(await request.arrayBuffer());
         // Nobody disposes of these: they go when they are collected.
         const results = await Promise.all([env.t1.run({ x }), env.t2.run({ x })]);
         const [a, b] = await Promise.all(results.map(({ y }) => y.data()));
         return new Response(a.map((value, i) => value ^ b[i]));
       } };`,
      { uses: uses(1, 2) },
      exact(2, (x) => {
        const b = through(x, 2);
        return through(x, 1).map((value, i) => value ^ b[i]!);
      }),
    ),
    handler(
      3,
      "raw-gpu",
      rawGpu(own(3), 1),
      {},
      exact(3, (x) => rawResult(x, own(3), 1)),
    ),
    handler(
      4,
      "raw-gpu",
      rawGpu(own(4), 9),
      {},
      exact(4, (x) => rawResult(x, own(4), 9)),
    ),
    handler(
      5,
      "plain",
      `export default { async fetch(request) {
         const x = new Uint32Array(await request.arrayBuffer());
         return new Response(String(x.reduce((hash, value) => Math.imul(hash ^ value, 16777619) >>> 0, ${plainKey})));
       } };`,
      {},
      exact(5, (x) => String(digest(x, plainKey))),
    ),
    handler(
      6,
      // Gone after a second without calls: its process comes and goes.
      "short-lived",
      `export default { async fetch(request, env, ctx) {
         const x = new Uint32Array(await request.arrayBuffer());
         await new Promise((resolve) => setTimeout(resolve, 5));
         return Response.json({ name: ctx.function.name, key: env.KEY, sum: x.reduce((a, b) => (a + b) >>> 0, 0) });
       } };`,
      { variables: { KEY: own(6) }, limits: { idleMs: 1000 } },
      exact(6, (x) =>
        JSON.stringify({
          name: `${name}-short-lived-6`,
          key: own(6),
          sum: x.reduce((a, b) => (a + b) >>> 0, 0),
        }),
      ),
    ),
    handler(
      7,
      "stream",
      `export default { fetch(request) {
         const seed = Number(new URL(request.url).searchParams.get("seed"));
         const encoder = new TextEncoder();
         let line = 0;
         return new Response(new ReadableStream({
           async pull(controller) {
             await new Promise((resolve) => setTimeout(resolve, 2));
             controller.enqueue(encoder.encode("data: " + (${streamKey} * 1000 + seed * 10 + line) + "\\n\\n"));
             if (++line === 8) controller.close();
           },
         }), { headers: { "content-type": "text/event-stream" } });
       } };`,
      {},
      (seed) => ({
        ...exact(7, () => "")(seed),
        check: sameBytes(
          new TextEncoder().encode(
            Array.from({ length: 8 }, (_, line) => `data: ${streamKey * 1000 + seed * 10 + line}\n\n`).join(
              "",
            ),
          ),
        ),
      }),
    ),
    handler(
      8,
      "model",
      `export default { async fetch(request, env) {
         const data = new Float32Array(await request.arrayBuffer());
         const outputs = await env.model.run({ [env.model.inputs[0].name]: { data, shape: [${modelShape}] } });
         return new Response(await outputs[env.model.outputs[0].name].data());
       } };`,
      { uses: { model: `${name}-model` } },
      reference,
    ),
    handler(
      9,
      "caller",
      `export default { async fetch(request, env) {
         const body = await request.arrayBuffer();
         const post = (to) => to.fetch("/inner", { method: "POST", body });
         const [plain, chain] = await Promise.all([post(env.plain), post(env.chain)]);
         const y = new Uint32Array(await chain.arrayBuffer());
         return new Response(await plain.text() + " " + y.reduce((a, b) => (a + b) >>> 0, 0));
       } };`,
      { uses: { plain: `${name}-plain-5`, chain: `${name}-chain-0` } },
      exact(9, (x) => {
        const sum = through(x, 0, 1, 0).reduce((a, b) => (a + b) >>> 0, 0);
        return `${digest(x, plainKey)} ${sum}`;
      }),
    ),
  ];
}

/** `y = x * (2 key + 1) + i`, as often as `rounds` says, between two buffers in turns. */
function rawGpu(key: number, rounds: number): string {
  return `
    const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const code = \`@group(0) @binding(0) var<storage, read> x: array<u32>;
      @group(0) @binding(1) var<storage, read_write> y: array<u32>;
      @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * ${2 * key + 1}u + id.x; }
      }\`;
    const device = await (await navigator.gpu.requestAdapter()).requestDevice();
    const pipeline = await device.createComputePipelineAsync({
      layout: "auto", compute: { module: device.createShaderModule({ code }) },
    });
    export default { async fetch(request) {
      const x = new Uint32Array(await request.arrayBuffer());
      const size = x.byteLength;
      const take = async (usage) => {
        // A device that is full of weights has room a moment later: they go.
        for (let tries = 1; ; tries++) {
          device.pushErrorScope("out-of-memory");
          const buffer = device.createBuffer({ size, usage });
          const error = await device.popErrorScope();
          if (error === null || tries === 20) return buffer;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const both = STORAGE | COPY_SRC | COPY_DST;
      const [first, second, staging] = await Promise.all([take(both), take(both), take(MAP_READ | COPY_DST)]);
      const buffers = [first, second];
      device.queue.writeBuffer(buffers[0], 0, x);
      const layout = pipeline.getBindGroupLayout(0);
      const groups = [buffers, [...buffers].reverse()].map((both) => device.createBindGroup({
        layout, entries: both.map((buffer, binding) => ({ binding, resource: { buffer } })),
      }));
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      for (let round = 0; round < ${rounds}; round++) {
        pass.setBindGroup(0, groups[round % 2]);
        pass.dispatchWorkgroups(Math.ceil(x.length / 64));
      }
      pass.end();
      encoder.copyBufferToBuffer(buffers[${rounds % 2}], 0, staging, 0, size);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const y = staging.getMappedRange().slice(0);
      for (const buffer of [...buffers, staging]) buffer.destroy();
      return new Response(y);
    } };`;
}

function rawResult(x: Uint32Array, key: number, rounds: number): Uint32Array {
  let y = x;
  for (let round = 0; round < rounds; round++) y = y.map((value, i) => Math.imul(value, 2 * key + 1) + i);
  return y;
}

function sameBytes(expected: Uint8Array): CrowdCall["check"] {
  return (answer) => {
    const at = expected.findIndex((byte, i) => byte !== answer[i]);
    if (answer.byteLength !== expected.byteLength) return `${answer.byteLength} bytes`;
    return at < 0 ? undefined : `byte ${at} is ${answer[at]} and not ${expected[at]}`;
  };
}

/** What ONNX Runtime's CPU provider makes of the model; the GPU adds in another order. */
async function modelReference(tenant: number): Promise<(seed: number) => CrowdCall> {
  const session = await createCpuSession({ model: modelOf(tenant) });
  const inputs: Tensor[] = [];
  const expected: Float32Array[] = [];
  for (let seed = 0; seed < callsOfEach; seed++) {
    const values = wholeNumbers(7000 + 10 * tenant + seed, 3 * 16 * 16);
    const input = floats(
      modelShape,
      [...values].map((value) => value / 2 ** 31 - 1),
    );
    const outputs = await session.run({ [session.inputNames[0]!]: input });
    inputs.push(input);
    expected.push(floatsIn(outputs.get(session.outputNames[0]!)!));
  }
  await session.release();
  const first: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  return (seed) => ({
    path: "call",
    body: new Uint8Array(inputs[seed]!.data),
    check: (answer) => {
      const found = new Float32Array(answer.slice().buffer);
      const right = expected[seed]!;
      const largest = Math.max(...right.map(Math.abs));
      const isNear = right.every((value, i) => Math.abs(value - found[i]!) <= 1e-4 * largest);
      if (!isNear) return `far from the reference: ${found} and not ${right}`;
      // And the same bits each time.
      first[seed] ??= answer;
      return sameBytes(first[seed])(answer);
    },
  });
}
