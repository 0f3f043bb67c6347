/** Handlers, deployed and called as users do it. */
import { expect, test } from "vitest";
import { gatewayFor } from "./running-gateway.ts";
import { zipped } from "./zipped.ts";

const server = gatewayFor("all tests");

const call = (path: string, init?: RequestInit) => fetch(`${server.client.url}/function/${path}`, init);

test("a handler in TypeScript answers any method on any path, with headers, query and body", async () => {
  await server.client.mustDeploy(
    "echo",
    `interface Echo { readonly method: string; path: string; query: string | null; prefix: string | null; body: string }
     export default {
       async fetch(request: Request): Promise<Response> {
         const url = new URL(request.url);
         const echo: Echo = { method: request.method, path: url.pathname, query: url.searchParams.get("q"),
           prefix: request.headers.get("x-forwarded-prefix"), body: await request.text() };
         return Response.json(echo, { status: 201, headers: { "x-own": "yes" } });
       },
     };`,
  );
  const response = await call("echo/a/b?q=7", { method: "PATCH", body: "hello" });
  expect(response.status).toBe(201);
  expect(response.headers.get("x-own")).toBe("yes");
  expect(await response.json()).toEqual({
    method: "PATCH",
    path: "/a/b",
    query: "7",
    prefix: "/function/echo",
    body: "hello",
  });
  expect(await (await call("echo")).json()).toMatchObject({ method: "GET", path: "/", body: "" });
});

test("a Hono app with middleware and routes is a handler as it is", async () => {
  await server.client.mustDeploy(
    "hono-app",
    `import { Hono } from "hono";
     import { cors } from "hono/cors";
     const app = new Hono();
     app.use(cors());
     app.use(async (c, next) => { await next(); c.header("x-took", "some"); });
     app.get("/greet/:name", (c) => c.text("Hello " + c.req.param("name")));
     app.notFound((c) => c.json({ nothing: true }, 404));
     export default app;`,
  );
  const response = await call("hono-app/greet/World", { headers: { origin: "http://localhost" } });
  expect(await response.text()).toBe("Hello World");
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("x-took")).toBe("some");
  const missing = await call("hono-app/other");
  expect([missing.status, await missing.json()]).toEqual([404, { nothing: true }]);
});

test("bodies stream both ways: server-sent events arrive one by one", async () => {
  await server.client.mustDeploy(
    "events",
    `export default {
       fetch(request) {
         const encoder = new TextEncoder();
         const body = new ReadableStream({
           async start(controller) {
             for (let i = 0; i < 3; i++) {
               controller.enqueue(encoder.encode("data: " + i + "\\n\\n"));
               await new Promise((resolve) => setTimeout(resolve, 50));
             }
             controller.close();
           },
         });
         return new Response(body, { headers: { "content-type": "text/event-stream" } });
       },
     };`,
  );
  const response = await call("events");
  const pieces: string[] = [];
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) pieces.push(piece);
  expect(pieces).toEqual(["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"]);
});

test("a client that goes away aborts the handler's signal", async () => {
  await server.client.mustDeploy(
    "waits",
    `let aborted = 0;
     export default {
       async fetch(request) {
         if (new URL(request.url).pathname === "/count") return new Response(String(aborted));
         await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
         aborted++;
         return new Response("too late");
       },
     };`,
  );
  // It runs before the other request begins to wait.
  expect(await (await call("waits/count")).text()).toBe("0");
  const controller = new AbortController();
  const waiting = call("waits/", { signal: controller.signal });
  setTimeout(() => controller.abort(), 200);
  await expect(waiting).rejects.toThrow();
  await expect.poll(async () => (await call("waits/count")).text()).toBe("1");
});

test("a handler runs functions that its manifest names; outputs go on without leaving the device", async () => {
  const double = `@group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < arrayLength(&x)) { y[id.x] = 2.0 * x[id.x]; }
    }`;
  await server.client.mustDeploy("double", double);
  const bundle = await zipped({
    "function.json": { kind: "handler", uses: { twice: "double" }, variables: { GREETING: "hi" } },
    "handler.ts": `
      import { type DawnletFunction } from "dawnlet";
      export default {
        async fetch(request: Request, env: { twice: DawnletFunction; GREETING: string }) {
          const n = Number(new URL(request.url).searchParams.get("n"));
          const first = await env.twice.run({ x: Float32Array.from({ length: n }, (_, i) => i) });
          const second = await env.twice.run({ x: first.y! });
          const third = await env.twice.run({ x: second.y! });
          const data = await third.y!.data();
          return Response.json({ greeting: env.GREETING, shape: third.y!.shape, last: data.at(-1), some: data[1] });
        },
      };`,
  });
  await server.client.mustDeploy("eightfold", bundle);
  for (const n of [5, 100_000])
    expect(await (await call(`eightfold?n=${n}`)).json()).toEqual({
      greeting: "hi",
      shape: [n],
      last: 8 * (n - 1),
      some: 8,
    });
});

test("a handler computes on navigator.gpu", async () => {
  await server.client.mustDeploy(
    "raw-gpu",
    `const code = "@group(0) @binding(0) var<storage, read_write> x: array<u32>;" +
       "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] = x[id.x] * x[id.x]; }";
     const adapter = await navigator.gpu.requestAdapter();
     const device = await adapter.requestDevice();
     const module = device.createShaderModule({ code });
     const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
     export default {
       async fetch() {
         const size = 256;
         const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
         const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
         device.queue.writeBuffer(buffer, 0, Uint32Array.from({ length: 64 }, (_, i) => i));
         const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
         const encoder = device.createCommandEncoder();
         const pass = encoder.beginComputePass();
         pass.setPipeline(pipeline);
         pass.setBindGroup(0, group);
         pass.dispatchWorkgroups(1);
         pass.end();
         encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
         device.queue.submit([encoder.finish()]);
         await staging.mapAsync(GPUMapMode.READ);
         const values = [...new Uint32Array(staging.getMappedRange())];
         buffer.destroy();
         staging.destroy();
         return Response.json(values);
       },
     };`,
  );
  const expected = Array.from({ length: 64 }, (_, i) => i * i);
  const answers = await Promise.all([1, 2, 3].map(async () => (await call("raw-gpu")).json()));
  expect(answers).toEqual([expected, expected, expected]);
});

test("what a handler throws is an error of the call, without a stack; its log has the line", async () => {
  await server.client.mustDeploy(
    "throws",
    `export default { fetch() { throw new RangeError("seven is too many"); } };`,
  );
  const response = await call("throws");
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({
    error: expect.stringContaining("seven is too many"),
    code: "FUNCTION_FAILED",
  });
});

test("a log is answered and followed with the deployed lines, and goes with the function", async () => {
  const logs = `${server.client.url}/v1/functions/logs/logs`;
  const source = (thrown: string) =>
    `export default {\n  async fetch(request, env, ctx) {\n    ctx.log.info("asked", { n: 1 });\n    throw new Error("${thrown}");\n  },\n};`;
  await server.client.mustDeploy("logs", source("no"));
  const following = await fetch(`${logs}?follow=true&level=error`);
  const reader = following.body!.pipeThrough(new TextDecoderStream()).getReader();
  await call("logs");
  let followed = "";
  while (!followed.includes("}")) followed += (await reader.read()).value;
  const failure = {
    ...{ time: expect.any(String), level: "error", version: 1, instance: 2 },
    message: "Error: no\n    at Object.fetch (handler.ts:4:11)",
  };
  expect(JSON.parse(followed)).toEqual(failure);
  const lines = (await (await fetch(logs)).text()).trim().split("\n");
  const asked = { ...failure, level: "info", message: "asked", fields: { n: 1 } };
  expect(lines.map((line) => JSON.parse(line))).toEqual([asked, failure]);
  await fetch(`${server.client.url}/v1/functions/logs`, { method: "DELETE" });
  expect((await reader.read()).done).toBe(true);
  await server.client.mustDeploy("logs", source("again"));
  expect(await (await fetch(logs)).text()).toBe("");
});

test("a client that follows a log does not hold up the end of the gateway", async () => {
  await server.client.mustDeploy("quiet", "export default { fetch: () => new Response() };");
  const following = await fetch(`${server.client.url}/v1/functions/quiet/logs?follow=true`);
  const text = following.text();
  await server.restart();
  // What does not end by itself is cut off, which the client notices.
  expect((await text).trim()).toBe("");
});

test("a module that throws is not deployed, and the message has file and line", async () => {
  const answer = await server.client.deploy(
    "broken",
    `const a: number = 1;\n\nthrow new Error("at line three " + a);\nexport default {};`,
  );
  expect(answer).toMatchObject({ code: "FUNCTION_FAILED" });
  expect(answer.error).toContain("at line three 1");
  expect(answer.error).toContain("handler.ts:3:7");
});

test("instances and the time of their starts are told, by `inspect` and as metrics", async () => {
  await server.client.mustDeploy("counted", `export default { fetch: () => new Response("here") };`);
  const before = await metric('dawnlet_handler_starts_total{outcome="started"}');
  expect(await (await call("counted")).text()).toBe("here");
  const { body } = await server.client.send<{ program: Record<string, number> }>(
    "/v1/functions/counted/program",
  );
  expect(body.program).toMatchObject({ instances: 1, starts: 1, startMs: expect.any(Number) });
  expect(await metric('dawnlet_handler_starts_total{outcome="started"}')).toBe(before + 1);
  expect(await metric("dawnlet_handler_instances")).toBeGreaterThanOrEqual(1);
  expect(await metric("dawnlet_handler_start_seconds")).toBeGreaterThan(0);
});

test("what a handler does not find is no damage of it", async () => {
  await server.client.mustDeploy(
    "finds",
    `export default { fetch: async (request, env, ctx) => new Response(await ctx.file(new URL(request.url).pathname.slice(1))) };`,
  );
  const missing = await call("finds/nowhere.txt");
  expect([missing.status, (await missing.json()).code]).toEqual([404, "NOT_FOUND"]);
  expect(await (await call("finds/handler.ts")).text()).toContain("ctx.file");
  expect((await server.client.status("finds")).current.damage).toBeUndefined();
});

test("a gateway that allows less than it did serves what was deployed, within what it allows", async () => {
  const bundle = await zipped({
    "function.json": { kind: "handler", limits: { instances: 8 } },
    "handler.ts": `export default { fetch: () => new Response("still here") };`,
  });
  await server.client.mustDeploy("demanding", bundle);
  await server.restart({ handlerLimits: { instances: 2 } });
  expect(await (await call("demanding")).text()).toBe("still here");
  const { body } = await server.client.send<{ program: { limits: Record<string, number> } }>(
    "/v1/functions/demanding/program",
  );
  expect(body.program.limits.instances).toBe(2);
  const refused = await server.client.deploy(
    "demanding",
    await zipped({
      "function.json": { kind: "handler", limits: { instances: 8 } },
      "handler.ts": `export default { fetch: () => new Response("another") };`,
    }),
  );
  expect(refused).toMatchObject({ code: "INVALID_BUNDLE", error: expect.stringContaining("instances") });
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.client.url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}
