/** Handlers of a stranger that harm the GPU: they lose it for themselves, and are called no more where they do it again. */
import { afterEach, expect, test } from "vitest";
import { handlerWorld, refusalOf } from "./handler-world.ts";

const world = handlerWorld();
afterEach(() => world.checkNeighbour());

/** Runs code with `device`, `compute(wgsl)`, which waits until the GPU is done, and `submit`, which does not. */
const gpuRunner = `
  const AsyncFunction = (async () => {}).constructor;
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const instance = crypto.randomUUID();
  let opened;
  async function open() {
    const adapter = await navigator.gpu.requestAdapter();
    return adapter.requestDevice();
  }
  async function submit(body) {
    const device = await (opened ??= open());
    const code = "@group(0) @binding(0) var<storage, read_write> x: array<u32>;" +
      "@compute @workgroup_size(1) fn main() { " + body + " }";
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code }) } });
    const buffer = device.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }));
    pass.dispatchWorkgroups(1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    return device;
  }
  const compute = async (body) => (await submit(body)).queue.onSubmittedWorkDone();
  export default {
    async fetch(request, env, ctx) {
      const code = await request.text();
      const run = new AsyncFunction("open", "submit", "compute", "pause", "instance", code);
      return new Response(String(await run(open, submit, compute, pause, instance)));
    },
  };`;

const run = (name: string, code: string) => world.call(name, { method: "POST", body: code });
const answer = async (name: string, code: string) => {
  const response = await run(name, code);
  expect(response.status, await response.clone().text()).toBe(200);
  return response.text();
};
const endless = "loop { x[0] = x[0] + 1u; if (x[1] == 7u) { break; } }";
const quarantineOf = async (name: string) => {
  const response = await fetch(`${world.url}/v1/functions/${name}`, {
    headers: { authorization: world.authorization.stranger },
  });
  return (await response.json()).current.quarantine;
};

test("buffers beyond gpuBytes are not made, one or many; within it they are", async () => {
  await world.deploy("hoards", gpuRunner, { limits: { gpuBytes: 16 * 2 ** 20 } });
  const making = (count: number, size: number) =>
    answer(
      "hoards",
      `const device = await open();
       device.pushErrorScope("out-of-memory");
       device.pushErrorScope("validation");
       const buffers = Array.from({ length: ${count} }, () => device.createBuffer({ size: ${size}, usage: GPUBufferUsage.STORAGE }));
       const errors = [await device.popErrorScope(), await device.popErrorScope()].filter(Boolean);
       device.destroy();
       return errors.map((error) => error instanceof GPUOutOfMemoryError ? "memory" : error instanceof GPUValidationError ? "validation" : "other");`,
    );
  expect(await making(1, 64 * 2 ** 20)).toMatch(/^(memory|validation)$/);
  expect(await making(40, 2 ** 20)).toContain("memory");
  expect(await making(10, 2 ** 20)).toBe("");
});

test("devices without end are refused", async () => {
  await world.deploy("opens", gpuRunner);
  const opening = (count: number) =>
    answer(
      "opens",
      `const all = await Promise.allSettled(Array.from({ length: ${count} }, () => open()));
       for (const one of all) one.value?.destroy();
       await pause(300);
       return all.filter(({ status }) => status === "fulfilled").length`,
    );
  expect(Number(await opening(30))).toBeLessThanOrEqual(8);
  expect(await opening(4)).toBe("4");
});

test("more than gpuShare of the GPU's time ends the instance", async () => {
  await world.deploy("shares", gpuRunner, { limits: { gpuShare: 0.02 } });
  const busy = "for (var i = 0u; i < 3000000u; i++) { x[0] = x[0] * 3u + i; }";
  const first = await answer("shares", `await compute("x[0] = 1u;"); return instance`);
  const over = await refusalOf(
    await run(
      "shares",
      `for (let i = 0; i < 200; i++) await compute(${JSON.stringify(busy)}); await pause(1000); return "all"`,
    ),
  );
  expect(over).toMatchObject({ status: 503, code: "FUNCTION_LIMIT" });
  expect(over.error).toContain("gpuShare");
  expect(await answer("shares", "return instance")).not.toBe(first);
});

/** Waits until the function has no instance: it has ended, and what it did to the GPU has been noted. */
async function whenEnded(name: string): Promise<void> {
  const instances = async () => {
    const response = await fetch(`${world.url}/v1/functions/${name}/program`, {
      headers: { authorization: world.authorization.stranger },
    });
    return (await response.json()).program.instances;
  };
  await expect.poll(instances, { timeout: 20_000 }).toBe(0);
}

/** Starts an instance. */
const warm = (name: string) =>
  expect.poll(async () => (await run(name, "return 1")).status, { timeout: 20_000 }).toBe(200);

test("a shader without end is blamed on its handler: three times, and it is called no more", async () => {
  await world.deploy("hangs", gpuRunner, { limits: { timeoutMs: 3000 } });
  await world.deploy("works", gpuRunner);
  for (let strike = 1; strike <= 3; strike++) {
    expect(await quarantineOf("hangs")).toBeUndefined();
    await warm("hangs");
    const calls = await Promise.all([
      run("hangs", `await compute(${JSON.stringify(endless)}); await pause(10_000); return 1`),
      // Calls that end with it are no strikes of their own.
      run("hangs", "await pause(10_000); return 1"),
      run("hangs", "await pause(10_000); return 1"),
    ]);
    for (const call of calls) expect((await refusalOf(call)).status).toBeGreaterThanOrEqual(500);
    await whenEnded("hangs");
    await world.checkNeighbour();
    expect(await answer("works", `await compute("x[0] = 1u;"); return "done"`)).toBe("done");
  }
  await expect.poll(() => quarantineOf("hangs")).toMatchObject({ strikes: 3 });
  expect(await refusalOf(await run("hangs", "return 1"))).toMatchObject({ status: 503, code: "QUARANTINED" });
  // Another handler of the same tenant is none of it.
  expect(await answer("works", "return 5")).toBe("5");
});

test("a shader without end after the answer is a strike all the same", async () => {
  await world.deploy("hits-and-runs", gpuRunner, { limits: { timeoutMs: 3000 } });
  for (let strike = 1; strike <= 3; strike++) {
    await warm("hits-and-runs");
    const code = `setTimeout(() => submit(${JSON.stringify(endless)}), 50); return "innocent"`;
    expect(await answer("hits-and-runs", code)).toBe("innocent");
    await whenEnded("hits-and-runs");
    await world.checkNeighbour();
  }
  await expect.poll(() => quarantineOf("hits-and-runs")).toMatchObject({ strikes: 3 });
});
